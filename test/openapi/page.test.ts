import { describe, expect, test } from 'vitest';
import { PAGE_SCRIPT, PAGE_STYLE, renderPage } from '../../gateway/openapi/index.js';
import { describedRoutes } from './support.js';

const { document } = await describedRoutes();
const page = renderPage(document);
const VOID = new Set(['meta', 'input', 'wbr', '!doctype']);

/** The page without script and style, whose text is not markup. */
const markup = page.replace(/<(script|style)>[\s\S]*?<\/\1>/g, '');

describe('the page of the interface', () => {
  test('has every operation, each under an anchor of its own', () => {
    const ids = [...markup.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { operationId } of Object.values(document.paths).flatMap((each) => Object.values(each)))
      expect(ids).toContain(operationId);
  });

  test('links to anchors that are there, and to nothing outside of this server', () => {
    const ids = [...markup.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
    for (const [, target] of markup.matchAll(/ href="([^"]+)"/g))
      if (target!.startsWith('#')) expect(ids).toContain(target!.slice(1));
      else expect(target).toMatch(/^\/(docs|openapi)/);
    expect(page).not.toMatch(/(src=|@import|url\(|https?:\/\/)/);
    expect(page).not.toMatch(/ (style|on\w+)=/); // the policy would refuse them
  });

  test('closes what it opens', () => {
    const open: string[] = [];
    for (const [, slash, name] of markup.matchAll(/<(\/?)([a-z0-9!]+)[^>]*>/gi)) {
      if (VOID.has(name!.toLowerCase())) continue;
      if (slash === '/') expect(open.pop()).toBe(name);
      else open.push(name!);
    }
    expect(open).toEqual([]);
  });

  test('has the style and the script that the policy names, byte for byte', () => {
    expect(page).toContain(`<style>${PAGE_STYLE}</style>`);
    expect(page).toContain(`<script>${PAGE_SCRIPT}</script>`);
  });

  test('escapes what a description could hold', () => {
    const info = { ...document.info, description: '<img src=x> & `<b>` [l](javascript:1)' };
    const text = renderPage({ ...document, info });
    expect(text).toContain('&lt;img src=x&gt; &amp; <code>&lt;b&gt;</code> [l](javascript:1)');
  });
});
