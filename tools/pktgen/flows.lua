-- SPDX-License-Identifier: BSD-3-Clause
-- Writes a file of packets for Pktgen's -s option, and so for the profiles with PCAP=yes: as many
-- flows as memory holds, in random order, with right checksums.
--
--	lua5.4 flows.lua out FILE       SUBSCRIBERS x PORTS, in to out
--	lua5.4 flows.lua imix FILE      the same in sizes 7:4:1
--	lua5.4 flows.lua return FILE    the answers to LEARNT, what weirctl said of the sessions
--	lua5.4 flows.lua setup FILE     SESSIONS packets, each another session
--
-- MAC=...: weir's port that they go to; `weirctl show interfaces` has it.

local weir = dofile((debug.getinfo(1, "S").source:match("^@(.*/)") or "./") .. "weir.lua")
local kind, path = arg[1], arg[2]

local function out(first, subscribers, ports)
	local packets = {}

	for i = 0, subscribers * ports - 1 do
		packets[i + 1] = { from = weir.address(first, i // ports), from_port = 1024 + i % ports,
			to = weir.remote, to_port = weir.remote_port, size = weir.size }
	end
	return packets
end

local subscribers, ports = weir.setting("SUBSCRIBERS", 255), weir.setting("PORTS", 64)

local kinds = {
	out = function()
		return out("100.64.0.1", subscribers, ports)
	end,
	-- as many of each size as the mix has: the packets are shuffled afterwards
	imix = function()
		local packets = out("100.64.0.1", subscribers, ports)

		for i, packet in ipairs(packets) do
			packet.size = weir.imix[(i - 1) % #weir.imix + 1]
		end
		return packets
	end,
	["return"] = function()
		return weir.read_learnt(weir.setting("LEARNT", "learnt"))
	end,
	setup = function()
		return out("100.65.0.0", weir.setting("SESSIONS", 1048576) // 64, 64)
	end,
}

local function shuffle(packets)
	math.randomseed(1)
	for i = #packets, 2, -1 do
		local j = math.random(i)

		packets[i], packets[j] = packets[j], packets[i]
	end
end

-- RFC 1071
local function checksum(text)
	local sum = 0

	for place = 1, #text - 1, 2 do
		sum = sum + string.unpack(">I2", text, place)
	end
	while sum > 0xffff do
		sum = (sum & 0xffff) + (sum >> 16)
	end
	return ~sum & 0xffff
end

local ether = { weir.setting("MAC", kind == "return" and "02:00:00:00:00:02" or "02:00:00:00:00:01"),
	"02:00:00:00:01:00" }
for i, mac in ipairs(ether) do
	if not mac:match("^%x%x:%x%x:%x%x:%x%x:%x%x:%x%x$") then
		error("MAC=" .. mac .. " is none", 0)
	end
	ether[i] = mac:gsub("(%x%x):?", function(byte)
		return string.char(tonumber(byte, 16))
	end)
end
ether = ether[1] .. ether[2] .. "\x08\x00"

local function frame(packet, number)
	local length = packet.size - 4 - #ether -- of the IP packet
	local from, to = weir.word(packet.from), weir.word(packet.to)
	local ip, udp = ">BBI2I2I2BBI2I4I4", ">I2I2I2I2"
	local header = string.pack(ip, 0x45, 0, length, number % 65536, 0, 64, 17, 0, from, to)
	local sum = checksum(string.pack(">I4I4I2I2I2I2I2I2", from, to, 17, length - 20, packet.from_port,
		packet.to_port, length - 20, 0)) -- the payload is zeros

	return ether .. string.pack(ip, 0x45, 0, length, number % 65536, 0, 64, 17, checksum(header), from, to) ..
		string.pack(udp, packet.from_port, packet.to_port, length - 20, sum == 0 and 0xffff or sum) ..
		("\0"):rep(length - 28)
end

if not kinds[kind] or not path then
	error("usage: flows.lua out|imix|return|setup FILE", 0)
end
local packets = kinds[kind]()
shuffle(packets)
local file = assert(io.open(path, "wb"))
file:write(string.pack("<I4I2I2I4I4I4I4", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
for number, packet in ipairs(packets) do
	local bytes = frame(packet, number)

	file:write(string.pack("<I4I4I4I4", 0, 0, #bytes, #bytes), bytes)
end
assert(file:close())
weir.say("%s packets in %s", weir.grouped(#packets), path)
