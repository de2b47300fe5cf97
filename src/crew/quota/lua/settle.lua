-- MemoryStore.settle: once, what was used in place of the estimate; then the
-- observations.
-- KEYS: leases, the pools. ARGV: numbers, the lease, the specs.
-- Numbers: time told, the count of charges, the count of observations; per charge its
-- pool, its limit as in limit_from, its amount, its end, what was used; per observation
-- its pool, its limit, and amount, used, resets_at, where -1 is none.
-- Answers 1 when it settled, 0 when there was nothing to settle, or {'stale', now}.

local numbers, lease, keys = ARGV[1], ARGV[2], {unpack(KEYS, 2)}
local told, charged, observed, position = unpack_numbers('<ddd', numbers)
local now = time(told)

local function entries(count, spec_at)
  local found = {}
  for i = 1, count do
    local pool, limit, a, b, c
    pool, position = unpack_numbers('<d', numbers, position)
    limit, position = limit_from(numbers, position)
    a, b, c, position = unpack_numbers('<ddd', numbers, position)
    limit.spec = ARGV[2 + spec_at + i]
    if stale(limit, now) then return nil end
    found[i] = {pool = pool, limit = limit, a, b, c}
  end
  return found
end

local charges = entries(charged, 0)
local observations = charges and entries(observed, charged)
if not observations then return {'stale', exact('%.17g', now)} end

-- corrections: what a settled charge adds, as {expires, change}.
local function corrections(limit, amount, ends, spent)
  if limit.kind == LEASE then return {{ends, -amount}} end
  local metric = limit.metric
  local at_the_end = metric == TOKENS or metric == OUTPUT_TOKENS or metric == USD
  if spent == amount and not at_the_end then return {} end
  if limit.kind == REFILLING then return {{0, spent - amount}} end
  if at_the_end then
    local later = expires_at(limit, now)
    if later ~= ends then return {{ends, -amount}, {later, spent}} end
  end
  return {{ends, spent - amount}}
end

-- _observe and unforeseen
local function observe(book, limit, amount, spent, resets_at)
  if amount >= 0 then
    book.learned = book.learned or {}
    book.learned[limit.spec] = nil
    if amount < limit.amount then
      book.learned[limit.spec] = {amount, now + LEARNED_SECONDS}
    end
    book.changed = true
  end
  local holds = effective(book, limit, 0, now)
  local missing = math.max(0, spent) - math.floor(used(book, limit, holds, now))
  if missing <= 0 or limit.kind == LEASE or limit.kind == RUN then return end
  if limit.kind == REFILLING then
    add(book, limit, holds, 0, missing, now)
    return
  end
  local until_ = expires_at(limit, now)
  if resets_at >= 0 and resets_at < until_ then until_ = slotted(limit, resets_at) end
  add(book, limit, holds, until_, missing, now)
end

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', exact('%.17g', now))
local fresh = redis.call('ZREM', KEYS[1], lease)
if fresh == 0 and observed == 0 or #keys == 0 then return fresh end

local books = open_books(keys)
if fresh == 1 then
  for _, charge in ipairs(charges) do
    local book, limit = books[charge.pool], charge.limit
    for _, change in ipairs(corrections(limit, charge[1], charge[2], charge[3])) do
      add(book, limit, effective(book, limit, charge[1], now), change[1], change[2], now)
    end
  end
end
for _, seen in ipairs(observations) do
  observe(books[seen.pool], seen.limit, seen[1], seen[2], seen[3])
end
for _, book in ipairs(books) do close_book(book, now) end
return fresh
