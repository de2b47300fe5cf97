-- MemoryStore.settle: once, what was used in place of the estimate; then the
-- observations.
-- KEYS: leases; per charge and then per observation its pool and its limit.
-- ARGV: numbers, the lease. Numbers: time told, the count of charges, the count of
-- observations; per charge its limit as in limit_from with its amount, its end, what was
-- used; per observation its limit with the amount, and used, resets_at; -1 is none.
-- Answers 1 when it settled, 0 when there was nothing to settle, or {'stale', now}.

local numbers = ARGV[1]
local told, charged, observed, position = unpack_numbers('<ddd', numbers)
local now = time(told)

local entries = {}
for i = 1, charged + observed do
  local limit, a, b
  limit, position = limit_from(numbers, position, KEYS[1 + 2 * i], KEYS[2 * i], i)
  a, b, position = unpack_numbers('<dd', numbers, position)
  if limit.kind == CALENDAR and stale(limit, now) then
    return {'stale', exact('%.17g', now)}
  end
  entries[i] = {limit, a, b}
end

local conditions = {}
local function condition_of(key)
  conditions[key] = conditions[key] or condition_from(call('GET', key))
  return conditions[key]
end

local function change(limit, amount, ends, by)
  local field = pack('<d', ends)
  local found = call('HMGET', limit.key, HEAD, field)
  add(limit, head_from(found[1]), amount, ends, field, found[2], by, now)
end

-- corrections, each added at once.
local function correct(limit, ends, spent)
  local kind, metric, amount = limit.kind, limit.metric, limit.need
  if kind == LEASE then
    change(limit, 0, ends, -amount)
    return
  end
  local at_the_end = metric == TOKENS or metric == OUTPUT_TOKENS or metric == USD
  if spent == amount and not at_the_end then return end
  if kind == REFILLING then
    change(limit, effective(condition_of(limit.pool), limit, amount, now), 0, spent - amount)
    return
  end
  if at_the_end then
    local later = expires_at(limit, now)
    if later ~= ends then
      change(limit, 0, ends, -amount)
      change(limit, 0, later, spent)
      return
    end
  end
  change(limit, 0, ends, spent - amount)
end

-- _observe and unforeseen
local function observe(limit, spent, resets_at)
  local pool, amount = limit.pool, limit.need
  local condition = condition_of(pool)
  if amount >= 0 then
    condition.learned = condition.learned or {}
    condition.learned[limit.key] = nil
    if amount < limit.amount then
      condition.learned[limit.key] = {amount, now + LEARNED_SECONDS}
    end
    keep_condition(pool, condition, now)
  end
  local holds = effective(condition, limit, 0, now)
  local head = head_from(call('HGET', limit.key, HEAD))
  local missing = math.max(0, spent) - math.floor(used(limit, head, holds, now))
  local kind = limit.kind
  if missing <= 0 or kind == LEASE or kind == RUN then return end
  if kind == REFILLING then
    change(limit, holds, 0, missing)
    return
  end
  local ends = expires_at(limit, now)
  if resets_at >= 0 and resets_at < ends then ends = slotted(limit, resets_at) end
  change(limit, holds, ends, missing)
end

call('ZREMRANGEBYSCORE', KEYS[1], '-inf', exact('%.17g', now))
local fresh = call('ZREM', KEYS[1], ARGV[2])
for i, entry in ipairs(entries) do
  if i > charged then
    observe(unpack(entry))
  elseif fresh == 1 then
    correct(unpack(entry))
  end
end
return fresh
