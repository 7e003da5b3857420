/** Whose stream the examples are about, here and in docs/http.md. */
export const TENANT = '64527dd3-a654-4410-9327-e58a1492ce77';
export const STORE = '91def158-819a-4461-b5c9-7759750ad157';
export const AGENT = '3f0c8a52-6c1e-4d38-9b7a-0e5d2c4f1a60';
