-- the store's settle: once, what was used in place of the estimate; then the
-- observations.
-- KEYS: leases, the pools, their limits. ARGV: the limits, numbers, the
-- lease's id.
-- Numbers: time told, the end of the lease, the count of pools, the count of charges; of
-- each charge its amount, its end, what was used, its end by when the request left; of
-- each observation the amount, used, resets at; -1 is none.
-- Answers 1 when it settled, 0 when there was nothing to settle, or {'stale', now}.

local numbers = ARGV[2]
local told, lease_ends, pools, charged, position = unpack_numbers('<dddd', numbers)
local now, count = time(told), #ARGV[1] / LIMIT_BYTES
local before = 1 + pools -- the keys before the limits'

local limits = {}
for i = 1, count do
  limits[i] = limit_from(ARGV[1], i)
  if stale(limits[i], now) then return {'stale', exact('%.17g', now)} end
end

local raw = count > 0 and call('MGET', unpack(KEYS, 2 + pools)) or {}
local conditions, heads, changed = {}, {}, {}
local function condition_of(pool)
  conditions[pool] = conditions[pool] or condition_from(call('GET', KEYS[1 + pool]))
  return conditions[pool]
end
local function head_of(number)
  heads[number] = heads[number] or head_from(raw[number])
  return heads[number]
end

local function change(limit, amount, ends, by)
  local number = limit[NUMBER]
  local key, head = KEYS[before + number], head_of(number)
  if add(limit, key, head, amount, ends, by, now) then changed[number] = limit end
end

-- corrections, each added at once.
local function correct(limit, amount, ends, spent, later)
  local kind = limit[KIND]
  if kind == LEASE then return change(limit, 0, ends, -amount) end
  if kind == REFILLING then
    if spent == amount then return end
    local key, condition = KEYS[before + limit[NUMBER]], condition_of(limit[POOL])
    local holds = effective(condition, limit, key, amount, now)
    return change(limit, holds, 0, spent - amount)
  end
  if at_the_end(limit[METRIC]) then later = expires_at(limit, now) end
  if later ~= ends then
    change(limit, 0, ends, -amount)
    return change(limit, 0, later, spent)
  end
  if spent ~= amount then change(limit, 0, ends, spent - amount) end
end

-- _observe and unforeseen
local function observe(limit, amount, spent, resets_at)
  local number, pool, kind = limit[NUMBER], limit[POOL], limit[KIND]
  local key, condition = KEYS[before + number], condition_of(pool)
  if amount >= 0 then
    condition.learned = condition.learned or {}
    condition.learned[key] = nil
    if amount < limit[AMOUNT] then
      condition.learned[key] = {amount, now + LEARNED_SECONDS}
    end
    keep_condition(KEYS[1 + pool], condition, now)
  end
  local holds = effective(condition, limit, key, 0, now)
  local missing = max(0, spent) - math.floor(used(limit, key, head_of(number), holds, now))
  if missing <= 0 or kind == LEASE or kind == RUN then return end
  if kind == REFILLING then return change(limit, holds, 0, missing) end
  local ends = expires_at(limit, now)
  if resets_at >= 0 and resets_at < ends then ends = slotted(limit, resets_at) end
  change(limit, holds, ends, missing)
end

local fresh = lease_ends > now and call('HDEL', KEYS[1], ARGV[3]) == 1
for i = 1, count do
  local limit, a, b, c, d = limits[i], 0, 0, 0, 0
  if i > charged then
    a, b, c, position = unpack_numbers('<ddd', numbers, position)
    observe(limit, a, b, c)
  else
    a, b, c, d, position = unpack_numbers('<dddd', numbers, position)
    if fresh then correct(limit, a, b, c, d) end
  end
end
for number, limit in pairs(changed) do
  keep_head(KEYS[before + number], heads[number], limit[SECONDS], now)
end
return fresh and 1 or 0
