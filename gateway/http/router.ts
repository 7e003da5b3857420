import type { Permission } from '../auth/scopes.js';
import type { Exchange } from './exchange.js';

/**
 * Who may call a route, as far as that is known before its parameters are read: anybody, whoever has valid credentials, or
 * credentials with a permission. Tenant and store are compared by the handler, which knows them.
 */
export type RouteScope = 'public' | 'authenticated' | Permission;

/** A row of the route table. */
export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** `/static/:parameter` segments; also the label in metrics and logs. */
  readonly path: string;
  readonly scope: RouteScope;
  /** Whether a JSON body is read: one for the ingest pipeline, or a small one for the handler. Unset: bodies are ignored. */
  readonly body?: 'ingest' | 'small';
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
  leaf: Leaf | undefined;
}

const UNKNOWN: RouteMatch = { kind: 'unknown' };
const NO_PARAMS: readonly string[] = [];
const newNode = (): Node => ({ children: new Map(), parameter: undefined, leaf: undefined });

/** Compiles a route table. Static segments win over parameters; HEAD is answered by the GET route. */
export function createRouter(routes: readonly Route[]): (method: string, path: string) => RouteMatch {
  const root = newNode();
  /** Paths without parameters, where all the traffic is. */
  const direct = new Map<string, Leaf>();
  for (const route of routes) {
    let node = root;
    for (const segment of route.path.split('/').slice(1)) node = descend(node, segment);
    node.leaf ??= { path: route.path, methods: new Map() };
    if (node.leaf.methods.has(route.method)) throw new Error(`two routes for ${route.method} ${route.path}`);
    node.leaf.methods.set(route.method, route);
    if (!route.path.includes('/:')) direct.set(route.path, node.leaf);
  }
  return (method, path) => {
    const leaf = direct.get(path);
    if (leaf !== undefined) return byMethod(leaf, method, NO_PARAMS);
    const params: string[] = [];
    const node = find(root, path, params);
    return node?.leaf === undefined ? UNKNOWN : byMethod(node.leaf, method, params);
  };
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

function find(root: Node, path: string, params: string[]): Node | undefined {
  let node: Node | undefined = root;
  let at = 1;
  while (node !== undefined && at <= path.length) {
    const slash = path.indexOf('/', at);
    const end = slash < 0 ? path.length : slash;
    const segment = path.slice(at, end);
    const child: Node | undefined = node.children.get(segment);
    if (child === undefined && segment !== '') params.push(segment);
    node = child ?? (segment === '' ? undefined : node.parameter);
    at = end + 1;
  }
  return path.endsWith('/') ? undefined : node;
}

function byMethod(leaf: Leaf, method: string, params: readonly string[]): RouteMatch {
  const route = leaf.methods.get(method === 'HEAD' ? 'GET' : method);
  if (route !== undefined) return { kind: 'found', route, params };
  const methods = [...leaf.methods.keys()].flatMap((each) => (each === 'GET' ? ['GET', 'HEAD'] : [each]));
  return { kind: 'wrong-method', path: leaf.path, allow: methods.join(', ') };
}
