/** The page's own script: the search box, and unfolding what an address names. The policy allows exactly this text. */
export const PAGE_SCRIPT = `
const box = document.getElementById('search');
const status = document.getElementById('found');
const operations = [...document.querySelectorAll('.operation')];
const groups = [...document.querySelectorAll('section.tag')];
function filter() {
  const words = box.value.toLowerCase().split(/\\s+/).filter(Boolean);
  let found = 0;
  for (const each of operations) {
    const fits = words.every((word) => each.dataset.text.includes(word));
    each.hidden = !fits;
    if (fits) found++;
  }
  for (const group of groups) group.hidden = !group.querySelector('.operation:not([hidden])');
  status.textContent = words.length === 0 ? '' : found + ' of ' + operations.length + ' operations';
}
function unfold() {
  const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (named && named.matches('details')) named.open = true;
}
box.addEventListener('input', filter);
document.addEventListener('keydown', (event) => {
  if (event.key === '/' && document.activeElement !== box) {
    event.preventDefault();
    box.focus();
  }
});
addEventListener('hashchange', unfold);
document.querySelector('.search').hidden = false;
filter();
unfold();
`;
