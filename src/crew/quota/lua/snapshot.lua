-- What MemoryStore.snapshot looks at; the caller works out the rest. Changes nothing.
-- KEYS: leases, line, the pools. ARGV: numbers, the pools' names, the specs.
-- Numbers: time told; per pool the count of its limits.
-- Answers {now, open leases, pools}, a pool as {cooldown until, reason, share, at,
-- waiting, limits}, a limit as {counts, resets at, learned}: of a bucket, counts is when
-- it is empty. Numbers are text, '' is none.

local told, position = unpack_numbers('<d', ARGV[1])
local now = time(told)
local raw, pools = redis.call('MGET', unpack(KEYS, 2)), {}
local line, spec_at = open_line(raw[1]), 1 + #KEYS - 2

local function number(value) return value and exact('%.17g', value) or '' end

local function state(book, spec)
  local lesson = book.learned and book.learned[spec]
  local learned = lesson and lesson[2] > now and lesson[1]
  local count = book.limits[spec]
  if not count then return {'0', '', number(learned)} end
  if not count[3] then
    return {number(count[1]), number(count[1] > now and count[1]), number(learned)}
  end
  local slots, total, resets = redis.call('HGETALL', book.key .. '|' .. spec), 0, 0
  for i = 1, #slots, 2 do
    local expires, amount = tonumber(slots[i]), tonumber(slots[i + 1])
    if expires > now then
      total = total + amount
      if amount ~= 0 then resets = math.max(resets, expires) end
    end
  end
  return {number(total), number(resets > 0 and resets), number(learned)}
end

for p = 1, #KEYS - 2 do
  local book, name, limits, waiting = open_book(KEYS[2 + p], raw[1 + p]), ARGV[1 + p], {}, 0
  local count
  count, position = unpack_numbers('<d', ARGV[1], position)
  for l = 1, count do
    spec_at = spec_at + 1
    limits[l] = state(book, ARGV[spec_at])
  end
  for _, place in ipairs(line.places) do
    if place[2] == name and place[3] > now then waiting = waiting + 1 end
  end
  local cooldown, throttle = book.cooldown or {0, ''}, book.throttle or {1, 0}
  pools[p] = {
    number(cooldown[1]), cooldown[2], number(throttle[1]), number(throttle[2]),
    waiting, limits,
  }
end
local open = redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. number(now), '+inf')
return {number(now), open, pools}
