-- the store's reserve: charges all limits, or none.
-- KEYS: leases, line, the pools, their limits. ARGV: the limits, numbers, the
-- lease's id and charges.
-- Numbers: time told, lease seconds, ticket, the count of pools; of each limit the need.
-- Answers the end of the lease and the end of each charge, packed; {'stale', now}; or a
-- refusal: {pool, limit (0: cooldown), opens at ('': never), reason of the cooldown}.

local numbers = ARGV[2]
local told, lease_seconds, ticket, pools, position = unpack_numbers('<dddd', numbers)
local now = time(told)
local expires, count = now + lease_seconds, #ARGV[1] / LIMIT_BYTES
local before = 2 + pools -- the keys before the limits'

local raw = call('MGET', unpack(KEYS, 2))
local line = raw[1] and line_from(raw[1])

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
local function opens_at(limit, key, head, amount, need, counted, first)
  if need > amount or limit[KIND] == RUN then return nil end -- a run has one window
  if limit[KIND] == REFILLING then
    local over = counted + first + need - amount
    return now + max(0, over) / per_second(limit, amount)
  end
  local most, rest = max(1, amount), max(0, need + first - 1)
  local more_windows = math.floor(rest / most)
  need = rest - more_windows * most + 1
  -- _fits
  local charged, total, opens = slots(key, head, now), 0, now
  for _, slot in ipairs(charged) do total = total + slot[2] end
  table.sort(charged, function(a, b) return a[1] < b[1] end)
  for _, slot in ipairs(charged) do
    if total + need <= amount then break end
    total = total - slot[2]
    opens = max(opens, slot[1])
  end
  return opens + more_windows * limit[SECONDS]
end

-- latest: the refusal that lasts longest; one that never opens ends the search.
local worst
local function refuse(pool, number, opens, reason)
  if worst and not worst.opens then return end
  if not worst or not opens or opens > worst.opens then
    worst = {pool = pool, number = number, opens = opens, reason = reason or ''}
  end
end

local conditions = {}
for pool = 1, pools do
  local condition = raw[1 + pool] and cmsgpack.unpack(raw[1 + pool])
  conditions[pool] = condition
  local cooldown = condition and condition.cooldown
  if cooldown and cooldown[1] > now then refuse(pool, 0, cooldown[1], cooldown[2]) end
end

-- charges_for: when a charge ends. Its time follows from the lease's end, so that a
-- caller who asks again is told the same.
local function end_of(limit, lease_ends)
  local kind = limit[KIND]
  if kind == LEASE then return lease_ends end
  if kind == REFILLING then return 0 end
  if at_the_end(limit[METRIC]) then return expires_at(limit, lease_ends) end
  return expires_at(limit, lease_ends - lease_seconds)
end

-- Heads go by the number of their key: a limit that is named twice counts twice.
local limits, heads, ends = {}, {}, {expires}
for i = 1, count do
  local limit, need = limit_from(ARGV[1], i), nil
  if stale(limit, now) then return {'stale', exact('%.17g', now)} end
  need, position = unpack_numbers('<d', numbers, position)
  local number, pool, amount = limit[NUMBER], limit[POOL], limit[AMOUNT]
  local key, condition = KEYS[before + number], conditions[pool]
  local head = heads[number] or head_from(raw[before - 1 + number])
  if condition then amount = effective(condition, limit, key, need, now) end
  limits[i], heads[number], ends[i + 1] = limit, head, end_of(limit, expires)
  limit[NEED], limit[HOLDS], limit[ENDS] = need, amount, ends[i + 1]
  if need ~= 0 then -- admit: what takes nothing always fits
    local counted = used(limit, key, head, amount, now)
    local first = line and ahead(pool, limit[METRIC]) or 0
    if counted + first + need > amount then
      refuse(pool, i, opens_at(limit, key, head, amount, need, counted, first))
    end
  end
end

local function packed() return pack('<' .. string.rep('d', 1 + count), unpack(ends)) end

-- A caller that lost the answer asks again with the same lease, and is told the same.
local leases, lease = KEYS[1], ARGV[3]
if worst or call('HSETNX', leases, lease, pack('<d', expires) .. ARGV[4]) == 0 then
  local known = call('HGET', leases, lease)
  if known then
    ends[1] = unpack_numbers('<d', known)
    for i = 1, count do ends[i + 1] = end_of(limits[i], ends[1]) end
    return packed()
  end
  local opens = worst.opens and exact('%.17g', worst.opens) or ''
  return {worst.pool, worst.number, opens, worst.reason}
end
if call('PTTL', leases) < (lease_seconds + SLACK) * 1000 then
  local known = call('HGETALL', leases)
  for i = 1, #known, 2 do
    if known[i] ~= '' and unpack_numbers('<d', known[i + 1]) <= now then
      call('HDEL', leases, known[i])
    end
  end
  call('HSET', leases, '', '')
  call('PEXPIRE', leases, lifetime(expires + SLACK, now))
end

local changed = {}
for i = 1, count do
  local limit = limits[i]
  local number, ends_at, need = limit[NUMBER], limit[ENDS], limit[NEED]
  local key = KEYS[before + number]
  if add(limit, key, heads[number], limit[HOLDS], ends_at, need, now) then
    changed[number] = limit
  end
end
for number, limit in pairs(changed) do
  keep_head(KEYS[before + number], heads[number], limit[SECONDS], now)
end
if line and ticket ~= 0 and remove_place(line, ticket) then
  keep_line(KEYS[2], line, now)
end
return packed()
