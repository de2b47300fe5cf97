-- What the store's snapshot looks at; the caller works out the rest. Changes nothing.
-- KEYS: leases, line, the pools, their limits. ARGV: numbers.
-- Numbers: time told, the count of pools; per pool the count of its
-- limits; per limit whether it refills.
-- Answers {now, the charges of the open leases, pools}, a pool as {cooldown until,
-- reason, share, at, waiting, limits}, a limit as {counts, resets at, learned}: of a
-- bucket, counts is when it is empty. Numbers are text, '' is none.

local told, count, position = unpack_numbers('<dd', ARGV[1])
local now = time(told)
local line, pools, at = line_from(call('GET', KEYS[2])), {}, 2 + count

local function number(value) return value and exact('%.17g', value) or '' end

local function state(condition, key, refills)
  local lesson = condition.learned and condition.learned[key]
  local learned = number(lesson and lesson[2] > now and lesson[1])
  local head = head_from(call('GET', key))
  if refills == 1 then
    local empties_at = head[TOTAL]
    return {number(empties_at), number(empties_at > now and empties_at), learned}
  end
  local total, resets = 0, 0
  for _, slot in ipairs(slots(key, head, now)) do
    total = total + slot[2]
    if slot[2] ~= 0 then resets = max(resets, slot[1]) end
  end
  return {number(total), number(resets > 0 and resets), learned}
end

for p = 1, count do
  local key, limits, waiting, size = KEYS[2 + p], {}, 0, nil
  local condition = condition_from(call('GET', key))
  size, position = unpack_numbers('<d', ARGV[1], position)
  for l = 1, size do
    at = at + 1
    local refills
    refills, position = unpack_numbers('<d', ARGV[1], position)
    limits[l] = state(condition, KEYS[at], refills)
  end
  for _, place in ipairs(line.places) do
    if place[2] == key and place[3] > now then waiting = waiting + 1 end
  end
  local cooldown, throttle = condition.cooldown or {0, ''}, condition.throttle or {1, 0}
  pools[p] = {
    number(cooldown[1]), cooldown[2], number(throttle[1]), number(throttle[2]),
    waiting, limits,
  }
end
local open, leases = {}, call('HVALS', KEYS[1])
for _, lease in ipairs(leases) do
  if lease ~= '' and unpack_numbers('<d', lease) > now then open[#open + 1] = lease:sub(9) end
end
return {number(now), open, pools}
