-- The first part of every step: what is kept, and the decisions on it. The constants
-- of limits.py and store.py, the kinds and the metrics stand above it. Each function
-- names the Python function that it mirrors, and must be changed with it.
--
-- Keys, all with the store's one hash tag:
--   {p}:leases           sorted set: open reservations with their charges, by their end
--   {p}:line             the places in all lines
--   {p}:pool:NAME        what closes or narrows a pool (_Condition); mostly missing
--   {p}:limit:NAME|SPEC  hash: when a charge stops counting -> its amount; and its head
-- Numbers are packed, so that no bit is lost on the way to text and back.

local NEVER = 1e300
local SLACK = 60 -- seconds that a key outlives what it holds
local call, pack, unpack_numbers, exact = redis.call, struct.pack, struct.unpack, string.format

-- The time of Redis, or the time that a test or a rehearsal tells.
local function time(told)
  if told >= 0 then return told end
  local parts = call('TIME')
  return parts[1] + parts[2] / 1000000
end

local function lifetime(ends, now)
  return exact('%.0f', math.min(math.ceil((ends - now + SLACK) * 1000), 1e14))
end

-- Reads one limit from packed numbers: kind, metric, amount, seconds, margin, of a
-- calendar limit the ends of three windows that follow each other, and what is needed.
-- A step notes the rest here: a table that grows costs five times as much.
local function limit_from(numbers, position, key, pool, number)
  local kind, metric, amount, seconds, margin, start, first, second, need, following =
    unpack_numbers('<ddddddddd', numbers, position)
  return {
    key = key, kind = kind, metric = metric, amount = amount, seconds = seconds,
    margin = margin, start = start, first = first, second = second, need = need,
    pool = pool, number = number, holds = amount, head = false, slot = false,
  }, following
end

-- Whether the caller's window ends do not cover this time: his clock was off.
local function stale(limit, now)
  local at = now + limit.margin
  return at < limit.start or at >= limit.second
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
local function effective(condition, limit, need, now)
  local most = limit.amount
  local lesson = condition.learned and condition.learned[limit.key]
  if lesson and lesson[2] > now then most = math.min(most, lesson[1]) end
  local share = share_now(condition.throttle, now)
  if share < 1 and limit.seconds <= THROTTLED_SECONDS then
    return math.max(math.floor(most * share), math.min(need, most))
  end
  return most
end

-- Counts. A head is {total, earliest, last, kept until}; a bucket's total is the time
-- at which it is empty.

local HEAD = 'head'

local function head_from(raw)
  if raw then return {unpack_numbers('<dddd', raw)} end
  return {0, NEVER, 0, 0}
end

-- The charges in a limit's hash as {ends, amount}; each that has passed goes to `old`.
local function slots(key, now, old)
  local raw, live = call('HGETALL', key), {}
  for i = 1, #raw, 2 do
    if raw[i] ~= HEAD then
      local ends = unpack_numbers('<d', raw[i])
      if ends > now then
        live[#live + 1] = {ends, (unpack_numbers('<d', raw[i + 1]))}
      elseif old then
        old(raw[i])
      end
    end
  end
  return live
end

-- Limit.per_second of an effective amount. A provider may tell a limit of nothing:
-- what counts drains all the same, or it would count for ever.
local function per_second(limit, amount) return math.max(1, amount) / limit.seconds end

-- _Window.used, _Bucket.used (level); `amount` is the limit's effective one.
local function used(limit, head, amount, now)
  if limit.kind == REFILLING then
    return math.max(0, head[1] - now) * per_second(limit, amount)
  end
  if head[2] <= now then
    local key = limit.key
    local live = slots(key, now, function(field) call('HDEL', key, field) end)
    head[1], head[2] = 0, NEVER
    for _, slot in ipairs(live) do
      head[1], head[2] = head[1] + slot[2], math.min(head[2], slot[1])
    end
    call('HSET', key, HEAD, pack('<dddd', head[1], head[2], head[3], head[4]))
  end
  return head[1]
end

-- _Window.add, _Bucket.add (drained). `field` is the packed end of the charge, `slot`
-- what it holds, packed; `amount` is the limit's effective one.
local function add(limit, head, amount, ends, field, slot, change, now)
  if change == 0 then return end
  local key, total = limit.key, change
  if limit.kind == REFILLING then
    head[1] = math.max(head[1], now) + change / per_second(limit, amount)
    head[3] = head[1]
    total = 0
  elseif ends <= now then
    return
  else
    if slot then total = total + unpack_numbers('<d', slot) end
    head[1] = head[1] + change
    if ends < head[2] then head[2] = ends end
    if ends > head[3] then head[3] = ends end
  end
  local lengthen = head[3] > head[4]
  -- Kept for longer than needed, so that not every step must say it again.
  if lengthen then head[4] = head[3] + math.max(limit.seconds / 2, SLACK) end
  local packed = pack('<dddd', head[1], head[2], head[3], head[4])
  if total ~= 0 then
    call('HSET', key, HEAD, packed, field, pack('<d', total))
  else
    call('HSET', key, HEAD, packed)
    if slot then call('HDEL', key, field) end
  end
  if lengthen then call('PEXPIRE', key, lifetime(head[4], now)) end
end
