/**
 * Planted faults: in each text of a source, which must occur exactly once, is replaced. Every one of them must be noticed by
 * `quick-check.ts`; one that is not shows that a check is missing. Faults that change nothing (a carry that is always 0) do
 * not belong here.
 */
export interface Mutant {
  readonly fault: string;
  /** `field.ts` is a source of assembly/, `../batch.ts` one beside it. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export const MUTANTS: readonly Mutant[] = [
  // field.ts
  mutant('2^261 counts 1215', 'field.ts', 'const FOLD: i64 = 1216;', 'const FOLD: i64 = 1215;'),
  mutant('a carry of the upper columns dropped', 'field.ts', 'c12 += c11 >> 29;', ''),
  mutant(
    'the last carry dropped',
    'field.ts',
    'i64.store32(out, c1 + (c0 >> 29), 4);',
    'i64.store32(out, c1, 4);',
  ),
  mutant(
    'the carry around loses its sign',
    'field.ts',
    'c0 += FOLD * (c8 >> 29);',
    'c0 += FOLD * (c8 >>> 29);',
  ),
  mutant('the top of the upper columns dropped', 'field.ts', 'c8 += FOLD * (c16 >> 29);', ''),
  mutant(
    'a wrong sign in a product',
    'field.ts',
    'const h1 = a6 * b7 + a7 * b6;',
    'const h1 = a6 * b7 - a7 * b6;',
  ),
  mutant('a block left out of a product', 'field.ts', 'ya0 * yb0 - l0 - h0 + m0;', 'ya0 * yb0 - l0 - h0;'),
  mutant('what is subtracted forgotten in one limb', 'field.ts', 'y2 - s8,', 'y2,'),
  mutant(
    'a term left out of a square',
    'field.ts',
    'd2 * a8 + d3 * a7 + d4 * a6 + e5 * a5,',
    'd2 * a8 + d3 * a7 + d4 * a6,',
  ),
  // field-basics.ts, field-bytes.ts
  mutant('a - 2b is a - b in one limb', 'field-basics.ts', '(load<i32>(b, 16) << 1)', 'load<i32>(b, 16)'),
  mutant(
    '18 in the place of 19',
    'field-bytes.ts',
    'c0 += 19 * ((c8 + carry) >> TOP_BITS);',
    'c0 += 18 * ((c8 + carry) >> TOP_BITS);',
  ),
  mutant(
    'what is above 2^255 folded once only',
    'field-bytes.ts',
    '  c0 += 19 * (c8 >> TOP_BITS);\n  c8 &= TOP_MASK;\n  // Below p now',
    '  c8 &= TOP_MASK;\n  // Below p now',
  ),
  mutant(
    'p itself is not reduced',
    'field-bytes.ts',
    'let carry = (c0 + 19) >> 29;',
    'let carry = (c0 + 18) >> 29;',
  ),
  mutant(
    'the lowest bit is not the sign',
    'field-bytes.ts',
    '(load<u8>(encoded) & 1) != 0',
    '(load<u8>(encoded) & 2) != 0',
  ),
  mutant(
    'zero is decided without the last word',
    'field-bytes.ts',
    ' | load<u64>(encoded, 24)) == 0',
    ') == 0',
  ),
  mutant(
    'bits lost between words',
    'field-bytes.ts',
    '((w2 >>> 46) | (w3 << 18))',
    '((w2 >>> 46) | (w3 << 19))',
  ),
  // field-power.ts
  mutant(
    'one squaring too few',
    'field-power.ts',
    'squareTimesOver(t2, t1, 50);',
    'squareTimesOver(t2, t1, 49);',
  ),
  mutant(
    'inverses by another exponent',
    'field-power.ts',
    'squareTimesOver(t1, t1, 5);\n  mul(out, t1, t0);',
    'squareTimesOver(t1, t1, 5);\n  mul(out, t1, t1);',
  ),
  mutant(
    'half of the square roots missing',
    'field-power.ts',
    'if (!isEqual(check, u)) return false;',
    'return false;',
  ),
  mutant('roots of what has none', 'field-power.ts', 'if (!isEqual(check, u)) return false;', ''),
  // field-invert.ts: only what cannot keep the steps from ending
  mutant('multiples of p that do not make it even', 'field-invert.ts', '141281819', '141281817'),
  mutant('an inverse of the wrong sign', 'field-invert.ts', 'load<i64>(f, 64) < 0 ? -1 : 1', '1'),
  mutant('the top of p forgotten', 'field-invert.ts', 'cd += md << P_TOP_BITS;', ''),
  // edwards.ts
  mutant('2d wrong in the lowest bit', 'edwards.ts', '112390489, 515169441', '112390488, 515169441'),
  mutant(
    'an addition takes Y + X for Y - X',
    'edwards.ts',
    'const minus = negative ? q : q + MINUS;',
    'const minus = negative ? q + MINUS : q + MINUS;',
  ),
  mutant(
    'a difference of points adds',
    'edwards.ts',
    'addCached(out: usize, p: usize, q: usize, negative: bool, withT: bool): void {',
    'addCached(out: usize, p: usize, q: usize, negative: bool, withT: bool): void {\n  negative = false;',
  ),
  mutant(
    'a doubling without T',
    'edwards.ts',
    '  mul(out + Z, f, g);\n  if (withT) mul(out + T, e, h);\n}\n\n/** out = p in cached form. */',
    '  mul(out + Z, f, g);\n}\n\n/** out = p in cached form. */',
  ),
  mutant('X and Y swapped in a doubling', 'edwards.ts', 'mulTwice(e, p, p + Y);', 'mulTwice(e, p, p);'),
  // encoding.ts
  mutant('y = p is canonical', 'encoding.ts', '>= 0xffffffffffffffed', '> 0xffffffffffffffed'),
  mutant(
    'y above p is canonical',
    'encoding.ts',
    'return !(top && middle && load<u64>(bytes) >= 0xffffffffffffffed);',
    'return true;',
  ),
  mutant(
    'a point of order 8 is not on the list',
    'encoding.ts',
    'const SMALL_ORDER_END: usize = 5 * 32;',
    'const SMALL_ORDER_END: usize = 4 * 32;',
  ),
  mutant('-0 is a point', 'encoding.ts', 'if (sign && isZero(x)) return false;', ''),
  mutant('x of the wrong sign', 'encoding.ts', 'if (isOdd(x) != sign) {', 'if (isOdd(x) == sign) {'),
  mutant('the sign is not encoded', 'encoding.ts', '(isOdd(x) ? 0x80 : 0)', '(isOdd(y) ? 0x80 : 0)'),
  // scalar.ts, digits.ts
  mutant(
    'S = L passes',
    'scalar.ts',
    'let borrow: u64 = load<u64>(scalar) < L0 ? 1 : 0;',
    'let borrow: u64 = load<u64>(scalar) <= L0 ? 1 : 0;',
  ),
  mutant(
    'S is compared by its last word only',
    'scalar.ts',
    '(w3 == L3 ? 1 : 0) & borrow',
    '(w3 == L3 ? 1 : 0)',
  ),
  mutant('a constant of the reduction', 'scalar.ts', '127719000', '127719001'),
  mutant('a fold too few', 'scalar.ts', 'let z0: i64 = y0 - y9 * C0;', 'let z0: i64 = y0;'),
  mutant(
    'a carry of the reduction dropped',
    'scalar.ts',
    'let y5: i64 = x5 + (y4 >> BITS)',
    'let y5: i64 = x5',
  ),
  mutant(
    'L is not added to a negative number',
    'scalar.ts',
    'let factor: i64 = -(z9 >> 63) - 1;',
    'let factor: i64 = -1;',
  ),
  mutant(
    'a carry loses its sign',
    'scalar.ts',
    'let z1: i64 = y1 + (z0 >> BITS)',
    'let z1: i64 = y1 + (z0 >>> BITS)',
  ),
  mutant('even scalars stay even', 'digits.ts', 'const mask: u64 = (w0 & 1) - 1;', 'const mask: u64 = 0;'),
  mutant('a carry between words dropped', 'digits.ts', 'carry |= w1 < a1 ? 1 : 0;', ''),
  mutant(
    'the top sign missing',
    'digits.ts',
    'store<u8>(top, load<u8>(top) | (1 << <u8>((bits - 1) & 7)));',
    '',
  ),
  mutant(
    'a negative digit takes its neighbour',
    'digits.ts',
    '? half - window : window & half',
    '? half - window + 1 : window & half',
  ),
  // combination.ts
  mutant(
    'the carry out of a window dropped',
    'combination.ts',
    'carry = window > full >>> 1 ? 1 : 0;',
    'carry = 0;',
  ),
  mutant('a window read one bit narrower', 'combination.ts', '(full - 1)) + carry', '(full - 2)) + carry'),
  mutant(
    'multiples 1, 2, 3 for 1, 3, 5',
    'combination.ts',
    'memory.copy(step, p, POINT_BYTES);\n',
    'memory.copy(step, p, POINT_BYTES);\n  toCached(twice, p);\n',
  ),
  mutant(
    'B added without T of the sum',
    'combination.ts',
    'addMultiple(out, pointMultiples, d, e != 0)',
    'addMultiple(out, pointMultiples, d, false)',
  ),
  // montgomery.ts, table.ts
  mutant('486661 in the place of 486662', 'montgomery.ts', 'CURVE_A: i64 = 486662', 'CURVE_A: i64 = 486661'),
  mutant('meeting points are not noticed', 'montgomery.ts', 'if (isZero(last)) {', 'if (false) {'),
  mutant(
    'the column of meeting points is not flagged',
    'montgomery.ts',
    'if (isEqual(p, q)) store<u8>(flags + column, 1);',
    '',
  ),
  mutant(
    'flagged columns keep their product of 0',
    'montgomery.ts',
    '    flagEqual(left, right, rightStep, rows, columns, flags);\n    last = multiplyDenominators(left, right, rightStep, rows, columns, flags, products);',
    '    flagEqual(left, right, rightStep, rows, columns, flags);',
  ),
  mutant('a doubling of another curve', 'montgomery.ts', '<i32>(2 * CURVE_A)', '<i32>(CURVE_A)'),
  mutant(
    'the slope is taken from the wrong point',
    'montgomery.ts',
    'mulDiffSub(r + V, slope, p, sum, p + V);',
    'mulDiffSub(r + V, slope, q, sum, p + V);',
  ),
  mutant('the last entry of a window missing', 'table.ts', 'j < entries; j++', 'j < entries - 1; j++'),
  mutant(
    'a window doubled once too little',
    'table.ts',
    'for (let j: usize = 0; j < width; j++) double',
    'for (let j: usize = 1; j < width; j++) double',
  ),
  mutant(
    'y of the wrong sign from Montgomery form',
    'table.ts',
    'sub(factor, u, factor); // u - 1',
    'sub(factor, factor, u);',
  ),
  mutant(
    'T of another point from Montgomery form',
    'table.ts',
    'mul(out + T, scaled, factor);',
    'mul(out + T, scaled, plus);',
  ),
  // verify.ts, key.ts, hash-record.ts
  mutant(
    'S is not compared with L',
    'verify.ts',
    'return isBelowOrder(record + S_AT) && isCanonicalY',
    'return isCanonicalY',
  ),
  mutant('R may be of small order', 'verify.ts', ' && !isSmallOrderY(record + R_AT)', ''),
  mutant('R may be not canonical', 'verify.ts', ' && isCanonicalY(record + R_AT)', ''),
  mutant('x may have any sign', 'verify.ts', 'if (isOdd(x) == sign) store', 'store'),
  mutant('y is not compared', 'verify.ts', 'if (!isEqual(y, x)) return;', ''),
  mutant('y is not compared without a table', 'verify.ts', 'if (!isEqual(y, point + Y)) return;', ''),
  mutant('the odd row forgotten', 'verify.ts', 'if (rows & 1) memory.copy', 'if (false) memory.copy'),
  mutant(
    'a flagged column is decided all the same',
    'verify.ts',
    'if (load<u8>(columnFlag + c)) decideByCombination(record);\n    else decideMontgomery',
    'decideMontgomery',
  ),
  mutant(
    'the point of another check is taken',
    'verify.ts',
    'const from = table == 0 ? record + POINT_AT : table;',
    'const from = record + POINT_AT;',
  ),
  mutant(
    'the message without its last byte',
    'verify.ts',
    'record + R_AT, 64 + length',
    'record + R_AT, 63 + length',
  ),
  mutant(
    'the second group decides the first again',
    'verify.ts',
    '(first + done) * RECORD_BYTES',
    'first * RECORD_BYTES',
  ),
  mutant(
    'an inversion shared wrongly',
    'verify.ts',
    'mul(inverse, inverse, denominators + i * FIELD_BYTES);',
    '',
  ),
  mutant(
    'keys may have torsion',
    'key.ts',
    'if (!isZero(product) || !isEqual(product + Y, product + Z)) return false;',
    '',
  ),
  mutant(
    'torsion of order 2 is not seen',
    'key.ts',
    'if (!isZero(product) || !isEqual(product + Y, product + Z)) return false;',
    'if (!isZero(product)) return false;',
  ),
  mutant('keys of small order', 'key.ts', ' || isSmallOrderY(STAGING)', ''),
  mutant('A for -A', 'key.ts', 'negatePoint(point, point);', ''),
  // sha512.ts
  mutant('a round constant', 'sha512.ts', '0x5fcb6fab3ad6faec', '0x5fcb6fab3ad6faed'),
  mutant('padding begins with 0x40', 'sha512.ts', '0x80);', '0x40);'),
  mutant(
    'no additional block where one is needed',
    'sha512.ts',
    'waiting > LENGTH_AT)',
    'waiting > LENGTH_AT + 8)',
  ),
  mutant(
    'an additional block where none is needed',
    'sha512.ts',
    'waiting > LENGTH_AT)',
    'waiting >= LENGTH_AT)',
  ),
  mutant('the length in bytes', 'sha512.ts', 'bswap<u64>(total << 3)', 'bswap<u64>(total)'),
  mutant('a rotation off by one', 'sha512.ts', 'rotr<u64>(x, 41)', 'rotr<u64>(x, 40)'),
  mutant(
    'an old byte of the block stays before the length',
    'sha512.ts',
    '  clearWords(waiting, LENGTH_AT);\n',
    '  clearWords(waiting + 8, LENGTH_AT);\n',
  ),
  // beside assembly/
  mutant(
    'an evicted key keeps its table',
    '../key-tables.ts',
    'if (slot.key) slot.key.slot = undefined;',
    '',
  ),
  mutant(
    'tables of the open batch are given away',
    '../key-tables.ts',
    'Math.min(pinnedFrom, key.coldSince)',
    'key.coldSince',
  ),
  mutant('one table more than allowed', '../key-tables.ts', 'slots < tablesMax', 'slots <= tablesMax'),
  mutant('the newest table is given away', '../key-tables.ts', 'newest?.newer', 'newest'),
  mutant(
    'long messages lose their tail',
    '../batch.ts',
    'from < message.length; from += stagingBytes',
    'from < message.length - 1; from += stagingBytes',
  ),
  mutant(
    'messages of 97 bytes written into 96',
    '../batch.ts',
    'message.length > MESSAGE_MAX',
    'message.length > MESSAGE_MAX + 4',
  ),
  mutant(
    'signatures of other lengths',
    '../engine.ts',
    'signature.length === SIGNATURE_BYTES ? 0 : -1',
    'signature.length >= SIGNATURE_BYTES ? 0 : -1',
  ),
  mutant('a single check opens a place of the batch', '../engine.ts', 'put(batchMax, key,', 'put(0, key,'),
];

function mutant(fault: string, file: string, find: string, replace: string): Mutant {
  return { fault, file, find, replace };
}
