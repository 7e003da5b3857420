/** What a legacy event's sealed payload is bound to besides its ids and hash: entity type, entity id, event type, each as u32 length and UTF-8. */
export function legacyBinding(entityType: string, entityId: string, eventType: string): Buffer {
  const texts = [entityType, entityId, eventType].map((text) => Buffer.from(text, 'utf8'));
  const bound = Buffer.alloc(texts.reduce((sum, { length }) => sum + 4 + length, 0));
  let at = 0;
  for (const text of texts) {
    at = bound.writeUInt32BE(text.length, at);
    at += text.copy(bound, at);
  }
  return bound;
}
