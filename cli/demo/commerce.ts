/**
 * A small shop: what happens in it becomes events. Orders are placed, paid, shipped and sometimes returned; stock moves;
 * customers register and change their minds.
 */
import { randomUUID } from 'node:crypto';

/** An event before it is signed. */
export interface ShopEvent {
  readonly entityType: string;
  readonly entityId: string;
  readonly eventType: string;
  readonly payload: object;
  readonly commandId?: string;
  readonly baseVersion?: number;
  /** Built on a version that is not the current one: the service must refuse it. */
  readonly stale?: boolean;
}

interface Order {
  readonly id: string;
  readonly customer: string;
  readonly lines: readonly { sku: string; quantity: number; unit_price: string }[];
  readonly total: string;
  step: number;
}

const PRODUCTS = ['espresso-machine', 'grinder', 'kettle', 'filter-papers', 'mug', 'scale', 'beans-1kg'];
const CITIES = ['Lisbon', 'Zürich', 'Kraków', 'Nairobi', '東京', 'São Paulo', 'Oslo'];
const CARRIERS = ['DHL', 'UPS', 'La Poste'];
const REASONS = ['damaged', 'wrong size', 'changed my mind'];
const OPEN_ORDERS_MAX = 200;
/** One in so many stock movements is built on a version that is not there (yet). */
const STALE_EVERY = 40;
/** Further than any entity of a demo gets. */
const STALE_BY = 1_000_000;

/**
 * One agent's part of one shop. Its stock entities are its own (`place` is part of their ids), so it knows their versions:
 * the number of events they have.
 */
export function createShop(place: string, random: () => number): () => ShopEvent {
  const open: Order[] = [];
  const versions = new Map<string, number>();
  let customers = 0;
  let orders = 0;
  let movements = 0;
  const upTo = (n: number) => Math.floor(random() * n);
  const pick = <T>(from: readonly T[]): T => from[upTo(from.length)]!;
  const price = (): string => (4 + upTo(40_000) / 100).toFixed(2);

  function placeOrder(): ShopEvent {
    const lines = Array.from({ length: 1 + upTo(3) }, () => ({
      sku: pick(PRODUCTS),
      quantity: 1 + upTo(4),
      unit_price: price(),
    }));
    const cents = lines.reduce(
      (sum, line) => sum + line.quantity * Math.round(Number(line.unit_price) * 100),
      0,
    );
    const order = {
      id: `ord-${place}-${++orders}`,
      customer: `cus-${place}-${1 + upTo(Math.max(1, customers))}`,
      lines,
      total: (cents / 100).toFixed(2),
      step: 0,
    };
    if (open.length >= OPEN_ORDERS_MAX) open.shift();
    open.push(order);
    return {
      entityType: 'order',
      entityId: order.id,
      eventType: 'order.placed',
      payload: {
        customer_id: order.customer,
        currency: 'EUR',
        lines: order.lines,
        total: order.total,
        ship_to: { city: pick(CITIES), note: 'second floor, ring twice – «merci»' },
      },
      commandId: randomUUID(),
    };
  }

  /** The next step of an order's life; the last one sometimes is a return. */
  function advanceOrder(): ShopEvent {
    const at = upTo(open.length);
    const order = open[at]!;
    order.step++;
    const of = (eventType: string, payload: object): ShopEvent => ({
      entityType: 'order',
      entityId: order.id,
      eventType,
      payload,
    });
    if (order.step === 1)
      return of('order.paid', {
        amount: order.total,
        currency: 'EUR',
        method: 'card',
        reference: randomUUID(),
      });
    if (order.step === 2)
      return of('order.shipped', {
        carrier: pick(CARRIERS),
        tracking: `TR${upTo(1e9)}`,
        parcels: order.lines.length,
      });
    open.splice(at, 1);
    if (random() < 0.3)
      return {
        entityType: 'return',
        entityId: `ret-${order.id}`,
        eventType: 'return.requested',
        payload: { order_id: order.id, reason: pick(REASONS), lines: order.lines.slice(0, 1) },
        commandId: randomUUID(),
      };
    return of('order.completed', { rating: 1 + upTo(5), delivered: true });
  }

  function moveStock(): ShopEvent {
    const sku = pick(PRODUCTS);
    const entityId = `${sku}@${place}`;
    const version = versions.get(entityId) ?? 0;
    const delta = upTo(41) - 20;
    const stale = ++movements % STALE_EVERY === 0;
    if (!stale) versions.set(entityId, version + 1);
    return {
      entityType: 'inventory',
      entityId,
      eventType: 'inventory.adjusted',
      payload: { sku, delta, reason: delta < 0 ? 'picked' : 'received', counted_by: place, bin: upTo(900) },
      baseVersion: stale ? version + STALE_BY : version,
      ...(stale ? { stale } : {}),
    };
  }

  function meetCustomer(): ShopEvent {
    const known = customers > 0 && random() < 0.4;
    if (!known) customers++;
    const id = known ? 1 + upTo(customers) : customers;
    return {
      entityType: 'customer',
      entityId: `cus-${place}-${id}`,
      eventType: known ? 'customer.updated' : 'customer.registered',
      payload: { city: pick(CITIES), newsletter: random() < 0.5, segment: pick(['new', 'loyal', 'trade']) },
    };
  }

  return () => {
    const dice = random();
    if (dice < 0.3) return placeOrder();
    if (dice < 0.65 && open.length > 0) return advanceOrder();
    if (dice < 0.9) return moveStock();
    return meetCustomer();
  };
}
