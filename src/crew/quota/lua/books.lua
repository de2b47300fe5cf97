-- The first part of every step: what is kept of a pool, and the decisions on it.
-- The constants of limits.py and store.py, the kinds and the metrics stand above it. Each function names
-- the Python function that it mirrors, and must be changed with it.
--
-- Keys, all with the store's one hash tag:
--   {p}:leases             sorted set: an open reservation and its charges, by its end
--   {p}:line               the places in all lines
--   {p}:pool:NAME          the pool's book, below
--   {p}:pool:NAME|LIMIT    hash: when a charge stops counting -> its amount
--
-- A pool's book is one packed value, read by one command and written by one:
--   limits    spec -> {total, earliest, last, kept_until}, or {empties_at} of a bucket
--   learned   spec -> {amount, until}
--   cooldown  {until, reason}    throttle  {share, at}

local NEVER = 1e300
local SLACK = 60 -- seconds that a key outlives what it holds

local unpack_numbers, exact = struct.unpack, string.format

-- The time of Redis, or the time that a test or a rehearsal tells.
local function time(told)
  if told >= 0 then return told end
  local parts = redis.call('TIME')
  return tonumber(parts[1]) + tonumber(parts[2]) / 1000000
end

local function lifetime(until_, now)
  return exact('%d', math.min(math.ceil((until_ - now + SLACK) * 1000), 1e14))
end

-- Books.

local function open_book(key, raw)
  local book = raw and cmsgpack.unpack(raw) or {limits = {}}
  book.key = key
  return book
end

local function open_books(keys)
  local books, raw = {}, redis.call('MGET', unpack(keys))
  for i, key in ipairs(keys) do books[i] = open_book(key, raw[i]) end
  return books
end

-- Writes a book back, without what no longer counts.
local function close_book(book, now)
  if not book.changed then return end
  local last = 0
  for spec, count in pairs(book.limits) do
    local ends = count[3] or count[1]
    if ends <= now then book.limits[spec] = nil else last = math.max(last, ends) end
  end
  if book.learned then
    for spec, lesson in pairs(book.learned) do
      if lesson[2] <= now then
        book.learned[spec] = nil
      else
        last = math.max(last, lesson[2])
      end
    end
    if next(book.learned) == nil then book.learned = nil end
  end
  if book.cooldown then last = math.max(last, book.cooldown[1]) end
  if book.throttle then last = math.max(last, book.throttle[2] + RECOVERY_SECONDS) end
  local key = book.key
  if last <= now then
    redis.call('DEL', key)
    return
  end
  book.key, book.changed = nil, nil
  redis.call('SET', key, cmsgpack.pack(book), 'PX', lifetime(last, now))
end

-- Limits.

-- Reads one limit from packed numbers: {kind, metric, amount, seconds, margin, and
-- of a calendar limit the ends of three windows that follow each other}.
local function limit_from(numbers, position)
  local kind, metric, amount, seconds, margin, start, first, second
  kind, metric, amount, seconds, margin, start, first, second, position =
    unpack_numbers('<dddddddd', numbers, position)
  return {
    kind = kind, metric = metric, amount = amount, seconds = seconds, margin = margin,
    start = start, first = first, second = second,
  }, position
end

-- Whether the caller's window ends do not cover this time: his clock was off.
local function stale(limit, now)
  local at = now + limit.margin
  return limit.kind == CALENDAR and (at < limit.start or at >= limit.second)
end

-- Limit.slotted
local function slotted(limit, at)
  local slot = limit.seconds / SLOTS
  return math.ceil(at / slot) * slot
end

-- Limit.expires_at; window_end was asked by the caller.
local function expires_at(limit, now)
  if limit.kind == CALENDAR then
    local ends = limit.second
    if now + limit.margin < limit.first then ends = limit.first end
    return ends + limit.margin
  end
  return slotted(limit, now + limit.seconds + limit.margin)
end

-- Throttle.now
local function share_now(throttle, now)
  if not throttle then return 1 end
  local grown = math.max(0, now - throttle[2]) / RECOVERY_SECONDS
  return math.min(1, throttle[1] + grown)
end

-- effective: the amount that holds now.
local function effective(book, limit, need, now)
  local most = limit.amount
  local lesson = book.learned and book.learned[limit.spec]
  if lesson and lesson[2] > now then most = math.min(most, lesson[1]) end
  local share = share_now(book.throttle, now)
  if share < 1 and limit.seconds <= THROTTLED_SECONDS then
    return math.max(math.floor(most * share), math.min(need, most))
  end
  return most
end

-- Counts.

local function count_of(book, limit)
  local count = book.limits[limit.spec]
  if not count then
    count = limit.kind == REFILLING and {0} or {0, NEVER, 0, 0}
    book.limits[limit.spec] = count
  end
  return count
end

local function slots_key(book, limit) return book.key .. '|' .. limit.spec end

-- What still counts, as {expires, amount}; forgets the rest.
local function slots(book, limit, now)
  local key, count = slots_key(book, limit), count_of(book, limit)
  local raw, live = redis.call('HGETALL', key), {}
  for i = 1, #raw, 2 do
    local expires = tonumber(raw[i])
    if expires > now then
      live[#live + 1] = {expires, tonumber(raw[i + 1])}
    else
      redis.call('HDEL', key, raw[i])
      count[4], book.changed = 0, true
    end
  end
  return live
end

-- _Window.used, _Bucket.used (level)
local function used(book, limit, amount, now)
  local count = count_of(book, limit)
  if limit.kind == REFILLING then
    return math.max(0, count[1] - now) * (amount / limit.seconds)
  end
  if count[2] <= now then
    count[1], count[2] = 0, NEVER
    for _, slot in ipairs(slots(book, limit, now)) do
      count[1] = count[1] + slot[2]
      count[2] = math.min(count[2], slot[1])
    end
    book.changed = true
  end
  return count[1]
end

-- _Window.add, _Bucket.add (drained); `amount` is the limit's effective one.
local function add(book, limit, amount, expires, change, now)
  local count = count_of(book, limit)
  if change == 0 then return end
  if limit.kind == REFILLING then
    count[1] = math.max(count[1], now) + change / (amount / limit.seconds)
    book.changed = true
    return
  end
  if expires <= now then return end
  local key, field = slots_key(book, limit), exact('%.17g', expires)
  if redis.call('HINCRBY', key, field, exact('%.0f', change)) == 0 then
    redis.call('HDEL', key, field)
    count[4] = 0 -- the last field takes the key along, and with it how long it is kept
  end
  count[1] = count[1] + change
  count[2] = math.min(count[2], expires)
  count[3] = math.max(count[3], expires)
  if change > 0 and count[3] > count[4] then
    -- Kept for longer than needed, so that not every step must say it again.
    count[4] = count[3] + math.max(limit.seconds / 2, SLACK)
    redis.call('PEXPIRE', key, lifetime(count[4], now))
  end
  book.changed = true
end

-- Lines: {last = ticket, places = {{ticket, pool, until, requests, input_tokens,
-- output_tokens, nano_usd, nonce}}}.

local function open_line(raw) return raw and cmsgpack.unpack(raw) or {last = 0, places = {}} end

local function close_line(key, line, now)
  local kept, last = {}, 0
  for _, place in ipairs(line.places) do
    if place[3] > now then
      kept[#kept + 1] = place
      last = math.max(last, place[3])
    end
  end
  if #kept == 0 then
    redis.call('DEL', key)
    return
  end
  redis.call('SET', key, cmsgpack.pack({last = line.last, places = kept}), 'PX',
    lifetime(last, now))
end

local function remove_place(line, ticket)
  for i, place in ipairs(line.places) do
    if place[1] == ticket then return table.remove(line.places, i) end
  end
end

-- Usage.amount
local function amount_of(place, metric)
  if metric == REQUESTS or metric == CONCURRENT then return place[4] end
  if metric == INPUT_TOKENS then return place[5] end
  if metric == OUTPUT_TOKENS then return place[6] end
  if metric == TOKENS then return place[5] + place[6] end
  return place[7]
end

-- _Condition.ahead, of one metric; ticket 0 is the end of the line.
local function ahead(line, pool, metric, ticket, now)
  local total = 0
  if not line then return total end
  for _, place in ipairs(line.places) do
    if place[2] == pool and place[3] > now and (ticket == 0 or place[1] < ticket) then
      total = total + amount_of(place, metric)
    end
  end
  return total
end
