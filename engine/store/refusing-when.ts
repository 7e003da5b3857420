export const connectionClosed = (): Error =>
  Object.assign(new Error('the connection to the database was closed'), { code: 'CONNECTION_CLOSED' });

/** The same connection or transaction, on which a query throws once it is closed. */
export function refusingWhen<S extends object>(isClosed: () => boolean, sql: S): S {
  const check = () => {
    if (isClosed()) throw connectionClosed();
  };
  return new Proxy(sql, {
    apply(target, self, args) {
      check();
      return Reflect.apply(target as unknown as (...all: unknown[]) => unknown, self, args);
    },
    get(target, name, receiver) {
      if (name === 'unsafe') check();
      return Reflect.get(target, name, receiver);
    },
  });
}
