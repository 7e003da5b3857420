/** The page's own style; the content security policy allows exactly this text. */
export const PAGE_STYLE = `
:root{color-scheme:light dark;--text:#1c1e21;--soft:#5b6169;--line:#dcdfe3;--back:#fff;--panel:#f5f6f8;--link:#0b57c2;--mark:#ffef9e}
@media (prefers-color-scheme:dark){:root{--text:#e6e7e9;--soft:#a2a8b0;--line:#363a40;--back:#141517;--panel:#1e2023;--link:#8ab4ff;--mark:#554a00}}
*{box-sizing:border-box}
html{scroll-padding-top:5rem}
body{max-width:58rem;margin:0 auto;padding:0 1rem 4rem;font:16px/1.5 system-ui,sans-serif;color:var(--text);background:var(--back)}
a{color:var(--link)}
h1{margin:1.5rem 0 .5rem}
h2{margin:2.2rem 0 .2rem;font-size:1.25rem}
h3{font-size:1rem;font-family:ui-monospace,monospace;margin:1.5rem 0 .2rem;overflow-wrap:anywhere}
h4{margin:1.2rem 0 .3rem;font-size:.95rem}
p{margin:.4rem 0}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,monospace;font-size:.88em}
p code,li code,.text code{background:var(--panel);padding:0 .2em;border-radius:3px;overflow-wrap:anywhere}
pre{background:var(--panel);border:1px solid var(--line);border-radius:6px;padding:.7rem;overflow-x:auto;max-height:32rem}
.search{position:sticky;top:0;background:var(--back);padding:.7rem 0;border-bottom:1px solid var(--line);z-index:1}
.search input{width:100%;font:inherit;padding:.55rem .8rem;border:1px solid var(--line);border-radius:8px;background:var(--panel);color:inherit}
.search [role=status]{margin:.2rem 0 0;font-size:.85rem;color:var(--soft)}
nav a{display:inline-block;margin:.15rem .9rem .15rem 0}
.operation{border:1px solid var(--line);border-radius:8px;margin:.5rem 0;background:var(--back)}
.operation>summary{padding:.55rem .7rem;cursor:pointer;list-style:none;overflow-wrap:anywhere}
.operation>summary::-webkit-details-marker{display:none}
.operation>summary:hover{background:var(--panel)}
summary:focus-visible{outline:2px solid var(--link);outline-offset:1px}
.operation[open]>summary{border-bottom:1px solid var(--line);background:var(--panel);border-radius:8px 8px 0 0}
.operation>.body{padding:.3rem .9rem .9rem}
.operation:target{outline:3px solid var(--mark)}
.method{display:inline-block;min-width:3.9rem;text-align:center;font:600 .75rem/1.6 ui-monospace,monospace;color:#fff;border-radius:4px;padding:0 .3rem;background:#1767b0}
.method.post{background:#1d7a43}.method.put{background:#96600a}.method.delete{background:#b3261e}
.path{font-weight:600}
.what{color:var(--soft);margin-left:.3rem}
.members{list-style:none;margin:.2rem 0;padding-left:.8rem;border-left:2px solid var(--line)}
.members li{padding:.15rem 0}
.type,.optional,.media,.or{color:var(--soft);font-size:.9rem;overflow-wrap:anywhere}
.optional{font-style:italic}
.text{display:block;font-size:.93rem}
.media{font-family:ui-monospace,monospace;margin-top:.6rem}
.errors{padding-left:1.2rem;font-size:.9rem}
.errors li{overflow-wrap:anywhere}
[hidden]{display:none}
@media (max-width:34rem){.what{display:block;margin:.15rem 0 0}.operation>.body{padding:.2rem .6rem .7rem}}
@media print{.search{display:none}}
`;
