-- the store's levels. KEYS: leases, the pools, their limits. ARGV: the limits, numbers.
-- Numbers: time told, the count of pools.
-- Answers of each limit the amount that holds and what counts, packed; or {'stale', now}.

local told, pools = unpack_numbers('<dd', ARGV[2])
local now, count = time(told), #ARGV[1] / LIMIT_BYTES
local before = 1 + pools -- the keys before the limits'

-- Redis hands over some thousand values at once, and no more.
local raw = {}
for from = 2, #KEYS, 1000 do
  local some = call('MGET', unpack(KEYS, from, min(from + 999, #KEYS)))
  for i = 1, #some do raw[from - 2 + i] = some[i] end
end

-- decisions.levels
local found, conditions, heads = {}, {}, {}
for pool = 1, pools do
  conditions[pool] = raw[pool] and cmsgpack.unpack(raw[pool])
end
for i = 1, count do
  local limit = limit_from(ARGV[1], i)
  if stale(limit, now) then return {'stale', exact('%.17g', now)} end
  local number, amount = limit[NUMBER], limit[AMOUNT]
  local key, condition = KEYS[before + number], conditions[limit[POOL]]
  heads[number] = heads[number] or head_from(raw[pools + number])
  if condition then amount = effective(condition, limit, key, 0, now) end
  found[i] = pack('<dd', amount, used(limit, key, heads[number], amount, now))
end
return table.concat(found)
