-- MemoryStore.reserve: charges all limits, or none.
-- KEYS: leases, line, the pools, their limits. ARGV: numbers, the lease.
-- Numbers: time told, lease seconds, ticket, the count of pools; per pool the count of
-- its limits; per limit as in limit_from, and what is needed of it.
-- Answers the end of the lease, packed; {'stale', now}; or a refusal:
-- {pool, limit (0: cooldown), opens at ('': never), reason of the cooldown}.

local numbers, lease = ARGV[1], ARGV[2]
local told, lease_seconds, ticket, pools, position = unpack_numbers('<dddd', numbers)
local now = time(told)
local expires = now + lease_seconds
-- The charges' time follows from the lease's end, also for a caller who asks again.
local sent = expires - lease_seconds

local raw = call('MGET', unpack(KEYS, 2, 2 + pools))
local line, conditions, charges, at = raw[1], {}, {}, 2 + pools
for pool = 1, pools do
  local condition, limits = raw[1 + pool]
  if condition then
    condition = cmsgpack.unpack(condition)
    conditions[pool] = condition
  end
  limits, position = unpack_numbers('<d', numbers, position)
  for number = 1, limits do
    local limit, need
    at = at + 1
    limit, position = limit_from(numbers, position, KEYS[at])
    need, position = unpack_numbers('<d', numbers, position)
    local kind, ends = limit.kind, 0
    if kind == CALENDAR and stale(limit, now) then
      return {'stale', exact('%.17g', now)}
    elseif kind == LEASE then
      ends = expires
    elseif kind ~= REFILLING then
      ends = expires_at(limit, sent)
    end
    if need ~= 0 then -- what takes nothing always fits
      charges[#charges + 1] = {
        limit = limit, need = need, pool = pool, number = number, ends = ends,
        amount = effective(condition, limit, need, now), head = false, slot = false,
      }
    end
  end
end

-- _Condition.ahead and Usage.amount
local function ahead(pool, metric)
  local total = 0
  for _, place in ipairs(line.places) do
    if place[2] == KEYS[2 + pool] and place[3] > now
      and (ticket == 0 or place[1] < ticket) then
      local amount = place[7]
      if metric == REQUESTS or metric == CONCURRENT then amount = place[4]
      elseif metric == INPUT_TOKENS then amount = place[5]
      elseif metric == OUTPUT_TOKENS then amount = place[6]
      elseif metric == TOKENS then amount = place[5] + place[6] end
      total = total + amount
    end
  end
  return total
end

-- opens_at, refills_at; nil is never.
local function opens_at(charge, counted, first)
  local amount, need, limit = charge.amount, charge.need, charge.limit
  if need > amount then return nil end
  if limit.kind == REFILLING then
    local over = counted + first + need - amount
    return now + math.max(0, over) / (amount / limit.seconds)
  end
  local most, rest = math.max(1, amount), math.max(0, need + first - 1)
  local more_windows = math.floor(rest / most)
  need = rest - more_windows * most + 1
  -- _fits
  local charged, total, opens = slots(limit.key, now), 0, now
  for _, slot in ipairs(charged) do total = total + slot[2] end
  table.sort(charged, function(a, b) return a[1] < b[1] end)
  for _, slot in ipairs(charged) do
    if total + need <= amount then break end
    total = total - slot[2]
    opens = math.max(opens, slot[1])
  end
  return opens + more_windows * limit.seconds
end

-- latest: the refusal that lasts longest; one that never opens ends the search.
local worst
local function refuse(pool, number, opens, reason)
  if worst and not worst.opens then return end
  if not worst or not opens or opens > worst.opens then
    worst = {pool = pool, number = number, opens = opens, reason = reason or ''}
  end
end

if line then line = line_from(line) end
for pool = 1, pools do
  local cooldown = conditions[pool] and conditions[pool].cooldown
  if cooldown and cooldown[1] > now then refuse(pool, 0, cooldown[1], cooldown[2]) end
end
for _, charge in ipairs(charges) do
  local limit, found = charge.limit, nil
  found = call('HMGET', limit.key, HEAD, pack('<d', charge.ends))
  charge.head, charge.slot = head_from(found[1]), found[2]
  local counted = used(limit, charge.head, charge.amount, now)
  local first = line and ahead(charge.pool, limit.metric) or 0
  if counted + first + charge.need > charge.amount then -- not admit
    refuse(charge.pool, charge.number, opens_at(charge, counted, first))
  end
end

-- A caller that lost the answer asks again with the same lease, and is told the same.
local known
if worst then
  known = call('ZSCORE', KEYS[1], lease)
elseif call('ZADD', KEYS[1], 'NX', exact('%.17g', expires), lease) == 0 then
  known = call('ZSCORE', KEYS[1], lease)
end
if known then return pack('<d', tonumber(known)) end
if worst then
  local opens = worst.opens and exact('%.17g', worst.opens) or ''
  return {worst.pool, worst.number, opens, worst.reason}
end

if call('PTTL', KEYS[1]) < (lease_seconds + SLACK) * 1000 then
  call('PEXPIRE', KEYS[1], lifetime(expires + SLACK, now))
end
local written = {}
for _, charge in ipairs(charges) do
  local key, head, slot = charge.limit.key, charge.head, charge.slot
  if written[key] then -- a limit that is named twice counts twice
    local found = call('HMGET', key, HEAD, pack('<d', charge.ends))
    head, slot = head_from(found[1]), found[2]
  end
  written[key] = true
  add(charge.limit, head, charge.amount, charge.ends, slot, charge.need, now)
end
if line and ticket ~= 0 and remove_place(line, ticket) then
  keep_line(KEYS[2], line, now)
end
return pack('<d', expires)
