-- MemoryStore.reserve: charges all limits, or none.
-- KEYS: leases, line, the pools, their limits. ARGV: numbers, the lease.
-- Numbers: time told, lease seconds, ticket, the count of pools; per pool the count of
-- its limits; per limit as in limit_from.
-- Answers the end of the lease and the end of each charge, packed; {'stale', now}; or a
-- refusal: {pool, limit (0: cooldown), opens at ('': never), reason of the cooldown}.

local numbers, lease = ARGV[1], ARGV[2]
local told, lease_seconds, ticket, pools, position = unpack_numbers('<dddd', numbers)
local now = time(told)
local expires = now + lease_seconds

local raw = call('MGET', unpack(KEYS, 2, 2 + pools))
local line, conditions, charges = raw[1], {}, {}
for pool = 1, pools do
  local condition, limits = raw[1 + pool]
  if condition then
    condition = cmsgpack.unpack(condition)
    conditions[pool] = condition
  end
  limits, position = unpack_numbers('<d', numbers, position)
  for number = 1, limits do
    local at, charge = #charges + 1, nil
    charge, position = limit_from(numbers, position, KEYS[2 + pools + at], pool, number)
    if charge.kind == CALENDAR and stale(charge, now) then
      return {'stale', exact('%.17g', now)}
    end
    if condition then charge.holds = effective(condition, charge, charge.need, now) end
    charges[at] = charge
  end
end

-- charges_for: when each charge ends. Their time follows from the lease's end, so that
-- a caller who asks again is told the same.
local function ends_of(lease_ends)
  local sent, ends, packed = lease_ends - lease_seconds, {}, {pack('<d', lease_ends)}
  for i, charge in ipairs(charges) do
    local kind, at = charge.kind, 0
    if kind == LEASE then
      at = lease_ends
    elseif kind ~= REFILLING then
      at = expires_at(charge, sent)
    end
    ends[i], packed[i + 1] = at, pack('<d', at)
  end
  return ends, packed
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
  local amount, need = charge.holds, charge.need
  if need > amount then return nil end
  if charge.kind == REFILLING then
    local over = counted + first + need - amount
    return now + math.max(0, over) / per_second(charge, amount)
  end
  local most, rest = math.max(1, amount), math.max(0, need + first - 1)
  local more_windows = math.floor(rest / most)
  need = rest - more_windows * most + 1
  -- _fits
  local charged, total, opens = slots(charge.key, now), 0, now
  for _, slot in ipairs(charged) do total = total + slot[2] end
  table.sort(charged, function(a, b) return a[1] < b[1] end)
  for _, slot in ipairs(charged) do
    if total + need <= amount then break end
    total = total - slot[2]
    opens = math.max(opens, slot[1])
  end
  return opens + more_windows * charge.seconds
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
local ends, fields = ends_of(expires)
for i, charge in ipairs(charges) do
  local need = charge.need
  if need ~= 0 then -- admit: what takes nothing always fits
    local found = call('HMGET', charge.key, HEAD, fields[i + 1])
    local head = head_from(found[1])
    charge.head, charge.slot = head, found[2]
    local counted = used(charge, head, charge.holds, now)
    local first = line and ahead(charge.pool, charge.metric) or 0
    if counted + first + need > charge.holds then
      refuse(charge.pool, charge.number, opens_at(charge, counted, first))
    end
  end
end

-- A caller that lost the answer asks again with the same lease, and is told the same.
local known
if worst then
  known = call('ZSCORE', KEYS[1], lease)
elseif call('ZADD', KEYS[1], 'NX', exact('%.17g', expires), lease) == 0 then
  known = call('ZSCORE', KEYS[1], lease)
end
if known then
  ends, fields = ends_of(tonumber(known))
  return table.concat(fields)
end
if worst then
  local opens = worst.opens and exact('%.17g', worst.opens) or ''
  return {worst.pool, worst.number, opens, worst.reason}
end

if call('PTTL', KEYS[1]) < (lease_seconds + SLACK) * 1000 then
  call('PEXPIRE', KEYS[1], lifetime(expires + SLACK, now))
end
local written = {}
for i, charge in ipairs(charges) do
  local key, head, slot = charge.key, charge.head, charge.slot
  if written[key] then -- a limit that is named twice counts twice
    local found = call('HMGET', key, HEAD, fields[i + 1])
    head, slot = head_from(found[1]), found[2]
  end
  written[key] = true
  add(charge, head, charge.holds, ends[i], fields[i + 1], slot, charge.need, now)
end
if line and ticket ~= 0 and remove_place(line, ticket) then
  keep_line(KEYS[2], line, now)
end
return table.concat(fields)
