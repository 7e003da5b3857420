/** What identifies one hand-out of one event: the event's number and the number of the pull. */
export interface DeliveryRef {
  readonly sequence: bigint;
  readonly handout: bigint;
}

const DELIVERY_ID = /^([0-9]{1,16})\.([0-9]{1,18})$/;

/** The text a consumer sees and sends back. */
export const formatDeliveryId = ({ sequence, handout }: DeliveryRef): string => `${sequence}.${handout}`;

/** `undefined`: not a delivery id. */
export function parseDeliveryId(text: string): DeliveryRef | undefined {
  const [, sequence, handout] = DELIVERY_ID.exec(text) ?? [];
  return sequence === undefined || handout === undefined
    ? undefined
    : { sequence: BigInt(sequence), handout: BigInt(handout) };
}
