/** The types of the driver whose repaired copy scripts/patch-driver.mjs writes beside this file. */
export { default } from 'postgres';
