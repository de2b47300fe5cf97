-- The first part of every step: what is kept, and the decisions on it. The constants
-- of limits.py and store.py, the kinds and the metrics stand above it. Each function
-- names the Python function that it mirrors, and must be changed with it.
--
-- Keys, all with the store's one hash tag:
--   {p}:leases                 hash: open reservation -> its packed end, its charges;
--                              and '', so that the key does not come and go
--   {p}:line                   the places in all lines
--   {p}:pool:NAME              what closes or narrows a pool (_Condition); often missing
--   {p}:limit:NAME|SPEC        the head of a limit
--   {p}:limit:NAME|SPEC|slots  hash: when a charge stops counting -> its amount
--
-- A head is all that most steps read and write of a limit, eight packed numbers:
--   | total | earliest | last | kept until | slot a | in a | slot b | in b |
-- The two slots of a window that were last added to are in its head, the others in the
-- hash; none is in both. A step looks into the hash only when a slot begins or ends, or
-- an older one changes. The total counts all of them. The total of a bucket is the time
-- at which it is empty, and it has no slots.
-- Numbers are packed, so that no bit is lost on the way to text and back.

local NEVER = 1e300
-- Seconds that a key outlives what it holds.
local SLACK = 60
local call, pack, unpack_numbers, exact = redis.call, struct.pack, struct.unpack, string.format
local max, min, ceil = math.max, math.min, math.ceil

-- Fields: a table with names costs a step three times as much as a list.
local TOTAL, EARLIEST, LAST, KEPT, SLOT_A, IN_A, SLOT_B, IN_B = 1, 2, 3, 4, 5, 6, 7, 8
local NEED, HOLDS, ENDS, NUMBER, POOL, KIND, METRIC = 1, 2, 3, 4, 5, 6, 7
local AMOUNT, SECONDS, MARGIN, START, FIRST, SECOND = 8, 9, 10, 11, 12, 13
local LIMIT_BYTES = 80

-- The time of Redis, or the time that a test or a rehearsal tells.
local function time(told)
  if told >= 0 then return told end
  local parts = call('TIME')
  return parts[1] + parts[2] / 1000000
end

-- Milliseconds, as text: some servers write a round number as 1e+9, and refuse that.
local function lifetime(ends, now)
  return exact('%.0f', max(1, min(ceil((ends - now + SLACK) * 1000), 1e14)))
end

-- The i-th of the packed limits: the numbers of its key and of its pool's, kind, metric,
-- amount, seconds, margin, and of a calendar limit the ends of three windows that follow
-- each other. A step may note what is needed, the amount that holds, when a charge ends.
local function limit_from(limits, i)
  return {0, 0, 0, unpack_numbers('<dddddddddd', limits, (i - 1) * LIMIT_BYTES + 1)}
end

-- Whether the caller's window ends do not cover this time: his clock was off.
local function stale(limit, now)
  local at = now + limit[MARGIN]
  return limit[KIND] == CALENDAR and (at < limit[START] or at >= limit[SECOND])
end

-- Limit.slotted
local function slotted(limit, at)
  local slot = limit[SECONDS] / SLOTS
  return ceil(at / slot) * slot
end

-- Limit.expires_at; window_end was asked by the caller. Only windows that are shorter
-- than a call, such as a minute, end more than twice before it does.
local function expires_at(limit, now)
  local seconds, margin = limit[SECONDS], limit[MARGIN]
  if limit[KIND] ~= CALENDAR then return slotted(limit, now + seconds + margin) end
  local first, second, moment = limit[FIRST], limit[SECOND], now + margin
  if moment < first then return first + margin end
  if moment < second then return second + margin end
  return second + (math.floor((moment - second) / seconds) + 1) * seconds + margin
end

-- SPENT_AT_THE_END
local function at_the_end(metric)
  return metric == TOKENS or metric == OUTPUT_TOKENS or metric == USD
end

-- Throttle.now
local function share_now(throttle, now)
  if not throttle then return 1 end
  local grown = max(0, now - throttle[2]) / RECOVERY_SECONDS
  return min(1, throttle[1] + grown)
end

-- effective: the amount that holds now. `key` is the limit's.
local function effective(condition, limit, key, need, now)
  local most = limit[AMOUNT]
  local lesson = condition.learned and condition.learned[key]
  if lesson and lesson[2] > now then most = min(most, lesson[1]) end
  local share = share_now(condition.throttle, now)
  if share < 1 and limit[SECONDS] <= THROTTLED_SECONDS then
    return max(math.floor(most * share), min(need, most))
  end
  return most
end

-- Counts.

local function head_from(raw)
  if raw then return {unpack_numbers('<dddddddd', raw)} end
  return {0, NEVER, 0, 0, 0, 0, 0, 0}
end

-- Writes it back, and its expiry when it holds something for longer than that: it is
-- kept for longer than needed, so that not every step must say it again.
local function keep_head(key, head, seconds, now)
  local total, earliest, last, kept = head[TOTAL], head[EARLIEST], head[LAST], head[KEPT]
  local lengthen = last > kept
  if lengthen then kept = last + max(seconds / 2, SLACK) end
  local packed = pack('<dddddddd', total, earliest, last, kept,
    head[SLOT_A], head[IN_A], head[SLOT_B], head[IN_B])
  if lengthen then
    head[KEPT] = kept
    call('SET', key, packed, 'PX', lifetime(kept, now))
  else
    call('SET', key, packed, 'KEEPTTL')
  end
end

-- A limit's second key, which no step names: it has the hash tag of the first.
local function slots_of(key) return key .. '|slots' end

-- What counts in a window as {ends, amount}; each old field that has passed goes to `old`.
local function slots(key, head, now, old)
  local raw, live = call('HGETALL', slots_of(key)), {}
  for i = 1, #raw, 2 do
    local ends = unpack_numbers('<d', raw[i])
    if ends > now then
      live[#live + 1] = {ends, (unpack_numbers('<d', raw[i + 1]))}
    elseif old then
      old(raw[i])
    end
  end
  for at = SLOT_A, SLOT_B, 2 do
    if head[at] > now then live[#live + 1] = {head[at], head[at + 1]} end
  end
  return live
end

-- Changes a slot that is not in the head.
local function change_slot(key, head, ends, change, now)
  local name, field = slots_of(key), pack('<d', ends)
  local known = call('HGET', name, field)
  local amount = (known and unpack_numbers('<d', known) or 0) + change
  if amount == 0 then
    call('HDEL', name, field)
  else
    call('HSET', name, field, pack('<d', amount))
    call('PEXPIRE', name, lifetime(head[LAST] + SLACK, now))
  end
end

-- Puts a slot into the head that is not there, in place of an empty or the older one.
-- The hash knows none that ends later than all before it.
local function begin_slot(key, head, ends, last, change, now)
  local at = head[SLOT_A] < head[SLOT_B] and SLOT_A or SLOT_B
  if head[IN_A] == 0 then at = SLOT_A elseif head[IN_B] == 0 then at = SLOT_B end
  if head[at] > now and head[at + 1] ~= 0 then
    change_slot(key, head, head[at], head[at + 1], now)
  end
  local name, field = slots_of(key), ends <= last and pack('<d', ends)
  local known = field and call('HGET', name, field)
  if known then
    change = change + unpack_numbers('<d', known)
    call('HDEL', name, field)
  end
  head[at], head[at + 1] = ends, change
end

-- Limit.per_second of an effective amount. A provider may tell a limit of nothing:
-- what counts drains all the same, or it would count for ever.
local function per_second(limit, amount) return max(1, amount) / limit[SECONDS] end

-- _Window.used, _Bucket.used (level); `amount` is the limit's effective one.
local function used(limit, key, head, amount, now)
  if limit[KIND] == REFILLING then
    return max(0, head[TOTAL] - now) * per_second(limit, amount)
  end
  if head[EARLIEST] <= now then
    local name = slots_of(key)
    local live = slots(key, head, now, function(field) call('HDEL', name, field) end)
    head[TOTAL], head[EARLIEST] = 0, NEVER
    if head[SLOT_A] <= now then head[IN_A] = 0 end
    if head[SLOT_B] <= now then head[IN_B] = 0 end
    for _, slot in ipairs(live) do
      head[TOTAL] = head[TOTAL] + slot[2]
      head[EARLIEST] = min(head[EARLIEST], slot[1])
    end
    keep_head(key, head, limit[SECONDS], now)
  end
  return head[TOTAL]
end

-- _Window.add, _Bucket.add (drained): to the head, which is not yet written back; says
-- whether that is due. `amount` is the limit's effective one.
local function add(limit, key, head, amount, ends, change, now)
  if change == 0 then return false end
  if limit[KIND] == REFILLING then
    local empties_at = max(head[TOTAL], now) + change / per_second(limit, amount)
    head[TOTAL], head[LAST] = empties_at, empties_at
    return true
  end
  if ends <= now then return false end
  local last = head[LAST]
  head[TOTAL] = head[TOTAL] + change
  if ends < head[EARLIEST] then head[EARLIEST] = ends end
  if ends > last then head[LAST] = ends end
  if ends == head[SLOT_A] then
    head[IN_A] = head[IN_A] + change
  elseif ends == head[SLOT_B] then
    head[IN_B] = head[IN_B] + change
  elseif change < 0 then
    change_slot(key, head, ends, change, now)
  else
    begin_slot(key, head, ends, last, change, now)
  end
  return true
end
