-- MemoryStore.reserve: charges all limits, or none.
-- KEYS: leases, line, the pools. ARGV: numbers, the lease, the pools' names, the specs.
-- Numbers: time told, lease seconds, ticket, the count of pools; per pool the count of
-- its limits; per limit as in limit_from, and what is needed of it.
-- Answers the end of the lease, packed; {'stale', now}; or a refusal:
-- {pool, limit (0: cooldown), opens at ('': never), reason of the cooldown}.

local numbers, lease = ARGV[1], ARGV[2]
local told, lease_seconds, ticket, pools, position = unpack_numbers('<dddd', numbers)
local now = time(told)

local raw = redis.call('MGET', unpack(KEYS, 2))
local line = raw[1] and open_line(raw[1])
local books, charges, spec_at = {}, {}, 2 + pools
for p = 1, pools do
  local book, limits = open_book(KEYS[2 + p], raw[1 + p])
  book.name, books[p] = ARGV[2 + p], book
  limits, position = unpack_numbers('<d', numbers, position)
  for l = 1, limits do
    local limit, need
    limit, position = limit_from(numbers, position)
    need, position = unpack_numbers('<d', numbers, position)
    spec_at = spec_at + 1
    limit.spec = ARGV[spec_at]
    if stale(limit, now) then return {'stale', exact('%.17g', now)} end
    charges[#charges + 1] = {
      book = book, limit = limit, need = need, pool = p, at = l,
      amount = effective(book, limit, need, now),
    }
  end
end

-- latest: the refusal that lasts longest; one that never opens ends the search.
local worst
local function refuse(pool, at, opens, reason)
  if worst and not worst.opens then return end
  if not worst or not opens or opens > worst.opens then
    worst = {pool = pool, at = at, opens = opens, reason = reason or ''}
  end
end

-- _fits
local function fits(amount, charged, need)
  local total, at = 0, now
  for _, slot in ipairs(charged) do total = total + slot[2] end
  table.sort(charged, function(a, b) return a[1] < b[1] end)
  for _, slot in ipairs(charged) do
    if total + need <= amount then return at end
    total = total - slot[2]
    at = math.max(at, slot[1])
  end
  return at
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
  rest = rest - more_windows * most
  local at = fits(amount, slots(charge.book, limit, now), rest + 1)
  return at + more_windows * limit.seconds
end

for p, book in ipairs(books) do
  local cooldown = book.cooldown
  if cooldown and cooldown[1] > now then refuse(p, 0, cooldown[1], cooldown[2]) end
end
for _, charge in ipairs(charges) do
  local counted = used(charge.book, charge.limit, charge.amount, now)
  local first = ahead(line, charge.book.name, charge.limit.metric, ticket, now)
  -- admit
  if charge.need ~= 0 and counted + first + charge.need > charge.amount then
    refuse(charge.pool, charge.at, opens_at(charge, counted, first))
  end
end

local expires = now + lease_seconds
-- A caller that lost the answer asks again with the same lease, and is told the same.
local known
if worst then
  known = redis.call('ZSCORE', KEYS[1], lease)
elseif redis.call('ZADD', KEYS[1], 'NX', exact('%.17g', expires), lease) == 0 then
  known = redis.call('ZSCORE', KEYS[1], lease)
end
if known then return struct.pack('<d', tonumber(known)) end

if not worst then
  if redis.call('PTTL', KEYS[1]) < lease_seconds * 1000 + 1000 then
    redis.call('PEXPIRE', KEYS[1], lifetime(expires, now))
  end
  -- The time of the charges follows from the end of the lease, also for who asks again.
  local sent = expires - lease_seconds
  for _, charge in ipairs(charges) do
    local limit, ends = charge.limit, 0
    if limit.kind == LEASE then
      ends = expires
    elseif limit.kind ~= REFILLING then
      ends = expires_at(limit, sent)
    end
    add(charge.book, limit, charge.amount, ends, charge.need, now)
  end
  if line and ticket ~= 0 and remove_place(line, ticket) then
    close_line(KEYS[2], line, now)
  end
end
for _, book in ipairs(books) do
  book.name = nil
  close_book(book, now)
end
if not worst then return struct.pack('<d', expires) end
local opens = worst.opens and exact('%.17g', worst.opens) or ''
return {worst.pool, worst.at, opens, worst.reason}
