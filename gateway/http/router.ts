import type { Permission } from '../auth/scopes.js';
import type { Exchange } from './exchange.js';

/**
 * Who may call a route, as far as that is known before its parameters are read: anybody, anybody whose credentials are valid
 * if there are any, whoever has valid credentials, or credentials with a permission. Tenant and store are compared by the
 * handler, which knows them.
 */
export type RouteScope = 'public' | 'optional' | 'authenticated' | Permission;

/** A row of the route table. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /**
   * `/static/:parameter` segments; a `*` at the end is one parameter for all that is left, slashes included. Also the label in
   * metrics and logs.
   */
  readonly path: string;
  readonly scope: RouteScope;
  /** Whether a JSON body is read: one for the ingest pipeline, or a small one for the handler. Unset: bodies are ignored. */
  readonly body?: 'ingest' | 'small';
  /** Answered also when the database is so busy that new work is refused. */
  readonly essential?: true;
  /** Answers through the exchange, now or later, exactly once. Thrown errors are answered too. */
  readonly handler: (exchange: Exchange) => void;
}

/** What a path and a method lead to. Parameters are raw, in the order of the path. */
export type RouteMatch =
  | { readonly kind: 'found'; readonly route: Route; readonly params: readonly string[] }
  | { readonly kind: 'wrong-method'; readonly path: string; readonly allow: string }
  | { readonly kind: 'unknown' };

/** Routes that share a path. */
interface Leaf {
  readonly path: string;
  readonly methods: Map<string, Route>;
}

interface Node {
  readonly children: Map<string, Node>;
  parameter: Node | undefined;
  /** Routes that end in `*` here; nothing else stands below such a node. */
  tail: Leaf | undefined;
  leaf: Leaf | undefined;
}

const UNKNOWN: RouteMatch = { kind: 'unknown' };
const NO_PARAMS: readonly string[] = [];
const newNode = (): Node => ({
  children: new Map(),
  parameter: undefined,
  tail: undefined,
  leaf: undefined,
});

/** Compiles a route table. Static segments win over parameters; HEAD is answered by the GET route. */
export function createRouter(routes: readonly Route[]): (method: string, path: string) => RouteMatch {
  const root = newNode();
  /** Paths without parameters, where all the traffic is. */
  const direct = new Map<string, Leaf>();
  for (const route of routes) {
    const hasTail = route.path.endsWith('/*');
    const segments = (hasTail ? route.path.slice(0, -2) : route.path).split('/').slice(1);
    let node = root;
    for (const segment of segments) node = descend(node, segment);
    const end = hasTail ? 'tail' : 'leaf';
    node[end] ??= { path: route.path, methods: new Map() };
    const { methods } = node[end];
    if (methods.has(route.method)) throw new Error(`two routes for ${route.method} ${route.path}`);
    methods.set(route.method, route);
    if (!hasTail && !route.path.includes('/:')) direct.set(route.path, node[end]);
  }
  requireFreeTails(root);
  return (method, path) => {
    const leaf = direct.get(path);
    if (leaf !== undefined) return byMethod(leaf, method, NO_PARAMS);
    const params: string[] = [];
    const found = find(root, path, params);
    return found === undefined ? UNKNOWN : byMethod(found, method, params);
  };
}

/** A tail takes every path below its node: a route beside it would be found sometimes. */
function requireFreeTails(node: Node): void {
  const below = [...node.children.values(), ...(node.parameter ? [node.parameter] : [])];
  if (node.tail !== undefined && below.length > 0) throw new Error(`routes below ${node.tail.path}`);
  for (const each of below) requireFreeTails(each);
}

function descend(node: Node, segment: string): Node {
  if (segment.startsWith(':')) {
    node.parameter ??= newNode();
    return node.parameter;
  }
  let child = node.children.get(segment);
  if (child === undefined) {
    child = newNode();
    node.children.set(segment, child);
  }
  return child;
}

function find(root: Node, path: string, params: string[]): Leaf | undefined {
  if (path.endsWith('/')) return undefined;
  let node: Node | undefined = root;
  let at = 1;
  while (node !== undefined && at <= path.length) {
    if (node.tail !== undefined) {
      params.push(path.slice(at));
      return node.tail;
    }
    const slash = path.indexOf('/', at);
    const end = slash < 0 ? path.length : slash;
    const segment = path.slice(at, end);
    const child: Node | undefined = node.children.get(segment);
    if (child === undefined && segment !== '') params.push(segment);
    node = child ?? (segment === '' ? undefined : node.parameter);
    at = end + 1;
  }
  return node?.leaf;
}

function byMethod(leaf: Leaf, method: string, params: readonly string[]): RouteMatch {
  const route = leaf.methods.get(method === 'HEAD' ? 'GET' : method);
  if (route !== undefined) return { kind: 'found', route, params };
  const methods = [...leaf.methods.keys()].flatMap((each) => (each === 'GET' ? ['GET', 'HEAD'] : [each]));
  return { kind: 'wrong-method', path: leaf.path, allow: methods.join(', ') };
}
