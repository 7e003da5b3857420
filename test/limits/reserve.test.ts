import { expect, test } from 'vitest';
import { createReserve } from '../../workers/reserve.js';

const KIB = 1024;
const LITTLE = 2 * KIB;
const MUCH = 500 * KIB;

test('a flood has all workers while nobody else is there', () => {
  const reserve = createReserve();
  expect(reserve.mustLeaveFree('flood', MUCH, 0)).toBe(false);
  expect(reserve.mustLeaveFree('flood', MUCH, 1)).toBe(false);
});

test('a flood leaves a worker to whoever sends little, until they have been silent for a second', () => {
  const reserve = createReserve();
  reserve.mustLeaveFree('flood', MUCH, 0);
  expect(reserve.mustLeaveFree('modest', LITTLE, 10)).toBe(false);
  expect(reserve.mustLeaveFree('flood', MUCH, 11)).toBe(true);
  expect(reserve.mustLeaveFree('other flood', MUCH, 12)).toBe(true);
  expect(reserve.mustLeaveFree('flood', MUCH, 1009)).toBe(true);
  expect(reserve.mustLeaveFree('flood', MUCH, 1010)).toBe(false);
});

test('a flood that drains between its rounds does not count as one who sends little', () => {
  const reserve = createReserve();
  reserve.mustLeaveFree('flood', MUCH, 0);
  expect(reserve.mustLeaveFree('flood', LITTLE, 500)).toBe(false);
  expect(reserve.mustLeaveFree('flood', MUCH, 501)).toBe(false);
});

test('tenants that send little do not keep each other from anything', () => {
  const reserve = createReserve();
  for (let i = 0; i < 5000; i++) expect(reserve.mustLeaveFree(`tenant ${i}`, LITTLE, i)).toBe(false);
});
