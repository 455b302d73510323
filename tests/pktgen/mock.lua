-- SPDX-License-Identifier: BSD-3-Clause
-- Runs a profile of tools/pktgen without Pktgen: `lua5.4 mock.lua SCRIPT`. Stands in for the calls
-- of its Lua API that the profiles may use, each with the number and types of arguments that Pktgen
-- checks; another name, or another number, is an error. Behind the two ports is a weir that passes
-- CAPACITY packets a second from each to the other. Time is not the real one.
--
-- API=22.07 (to 25.08) or 26.02: which portStats() there is. SILENT=yes: weir answers no ARP.
-- Every call is a line on standard error.

local api = os.getenv("API") or "26.02"
local silent = os.getenv("SILENT") == "yes"
local capacity = tonumber(os.getenv("CAPACITY") or 1e9)
local line_rate = 148809523 -- packets a second of a port at 100 %, 64 B
local clock = 1000.0

local weir_macs = { [0] = "02:00:00:00:00:01", [1] = "02:00:00:00:00:02" }
local ports = {}
for i = 0, 1 do
	ports[i] = { rate = 100, count = 0, tx = 0, rx = 0, dst_mac = "00:00:00:00:00:00", mode = "single", seq = {} }
end

local function each(list, call)
	if list == "all" then
		list = "0,1"
	end
	for number in list:gmatch("[^,]+") do
		call(ports[tonumber(number)] or error("no port " .. number), tonumber(number))
	end
end

-- Pktgen's counters are of a moment up to a second ago; the profiles wait for them.
local function advance(ms)
	for number, port in pairs(ports) do
		if port.sending then
			local packets = math.floor(line_rate * port.rate / 100 * ms / 1000)

			if port.count > 0 then
				packets = math.min(packets, port.count - port.sent)
			end
			port.sent = port.sent + packets
			port.tx = port.tx + packets
			local other = ports[1 - number]
			local part = math.min(1, capacity / (line_rate * port.rate / 100))
			other.rx = other.rx + math.floor(packets * part)
			if port.count > 0 and port.sent >= port.count then
				port.sending = false
			end
		end
	end
	clock = clock + ms / 1000
end

local function stats(port)
	local all = { ipackets = port.rx, opackets = port.tx, ibytes = port.rx * 60, obytes = port.tx * 60 }

	return api == "22.07" and all or { curr = all }
end

local function table_of(list, make)
	local all = { n = 0 }

	each(list, function(port, number)
		all[number], all.n = make(port), all.n + 1
	end)
	return all
end

-- ---- arguments ----

local checks = {
	ports = function(v) return type(v) == "string" and (v == "all" or v:match("^[01,]+$")) end,
	state = function(v) return v == "on" or v == "off" end,
	text = function(v) return type(v) == "string" end,
	number = function(v) return type(v) == "number" end,
	int = function(v) return math.tointeger(v) ~= nil end,
	side = function(v) return v == "src" or v == "dst" end,
	what = function(v) return v == "start" or v == "min" or v == "max" or v == "inc" end,
	ip = function(v) return type(v) == "string" and v:match("^%d+%.%d+%.%d+%.%d+$") end,
	net = function(v) return type(v) == "string" and v:match("^%d+%.%d+%.%d+%.%d+/?%d*$") end,
	mac = function(v) return type(v) == "string" and v:match("^%x%x:%x%x:%x%x:%x%x:%x%x:%x%x$") end,
	table = function(v) return type(v) == "table" end,
}

-- A call NAME with these kinds of arguments, which does `act`.
local function call(name, kinds, act)
	return function(...)
		local given, words = table.pack(...), {}

		if given.n ~= #kinds then
			error(name .. ", wrong number of arguments", 2)
		end
		for i, kind in ipairs(kinds) do
			if not checks[kind](given[i]) then
				error(name .. ": argument " .. i .. " is no " .. kind .. ": " .. tostring(given[i]), 2)
			end
			words[i] = type(given[i]) == "table" and "{}" or tostring(given[i])
		end
		io.stderr:write("call ", name, " ", table.concat(words, " "), "\n")
		return act and act(...)
	end
end

local function strict(table, what)
	return setmetatable(table, { __index = function(_, name)
		error("Pktgen has no " .. what .. name, 2)
	end })
end

local function field(name, kind)
	return call("range." .. name, { "ports", "what", kind }, function(list, what, value)
		each(list, function(port)
			port[name .. "." .. what] = value
		end)
	end)
end

local settings = { count = "int", size = "int", rate = "number", sport = "int", dport = "int", seq_cnt = "int" }

pktgen = strict({
	info = { Pktgen_Version = "Pktgen " .. api, DPDK_Version = "DPDK mock", numSeqPkts = 16 },
	screen = call("screen", { "state" }),
	process = call("process", { "ports", "state" }, function(list, state)
		each(list, function(port)
			port.process = state == "on"
		end)
	end),
	set_ipaddr = call("set_ipaddr", { "ports", "side", "net" }),
	set_mac = call("set_mac", { "ports", "side", "mac" }, function(list, side, mac)
		each(list, function(port)
			port[side .. "_mac"] = mac
		end)
	end),
	send_arp = call("send_arp", { "ports", "text" }, function(list)
		each(list, function(port, number)
			if port.process and not silent then
				port.dst_mac = weir_macs[number]
			end
		end)
	end),
	ping4 = call("ping4", { "ports" }, function()
		if api ~= "22.07" then
			error("ping4 ends Pktgen 26.02 by a signal", 2)
		end
	end),
	pcap = call("pcap", { "ports", "state" }, function(list)
		each(list, function(port)
			port.mode = "pcap"
		end)
	end),
	portInfo = call("portInfo", { "ports" }, function(list)
		return table_of(list, function(port)
			return { info = { l2_l3_info = { src_mac = "02:00:00:00:01:00", dst_mac = port.dst_mac },
				tx_debug = { tx_pps = math.floor(line_rate * port.rate / 100) } } }
		end)
	end),
	portStats = call("portStats", api == "22.07" and { "ports", "text" } or { "ports" }, function(list)
		return table_of(list, stats)
	end),
	isSending = call("isSending", { "ports" }, function(list)
		return table_of(list, function(port)
			return port.sending and "y" or "n"
		end)
	end),
	set = call("set", { "ports", "text", "number" }, function(list, what, value)
		if not settings[what] or not checks[settings[what]](value) then
			error("set does not support " .. what .. " " .. tostring(value), 2)
		end
		each(list, function(port)
			port[what] = value
			if what == "seq_cnt" then
				port.mode = "sequence"
			end
		end)
	end),
	set_range = call("set_range", { "ports", "state" }, function(list, state)
		each(list, function(port)
			port.mode = state == "on" and "range" or "single"
		end)
	end),
	seqTable = call("seqTable", { "int", "ports", "table" }, function(number, list, packet)
		for name, kind in pairs({ eth_dst_addr = "mac", eth_src_addr = "mac", ip_dst_addr = "ip",
			ip_src_addr = "net", sport = "int", dport = "int", ethType = "text", ipProto = "text",
			vlanid = "int", pktSize = "int", cos = "int", tos = "int", gtpu_teid = "int", tcp_flags = "text" }) do
			if not checks[kind](packet[name]) then
				error("seqTable: " .. name .. " is " .. tostring(packet[name]), 2)
			end
		end
		if number > 15 then
			error("seqTable: only 16 packets", 2)
		end
		io.stderr:write(string.format("packet %s:%d %s:%d %d\n", packet.ip_src_addr, packet.sport,
			packet.ip_dst_addr, packet.dport, packet.pktSize))
	end),
	clear = call("clear", { "ports" }, function(list)
		each(list, function(port)
			port.tx, port.rx = 0, 0
		end)
	end),
	start = call("start", { "ports" }, function(list)
		each(list, function(port)
			if port.mode == "range" and port["dst_mac.start"] ~= port.dst_mac then
				error("start: range packets go to " .. tostring(port["dst_mac.start"]), 2)
			end
			port.sending, port.sent = true, 0
		end)
	end),
	stop = call("stop", { "ports" }, function(list)
		each(list, function(port)
			port.sending = false
		end)
	end),
	delay = call("delay", { "int" }, advance),
	quit = call("quit", {}),
	range = strict({
		dst_mac = field("dst_mac", "mac"),
		src_ip = field("src_ip", "ip"),
		dst_ip = field("dst_ip", "ip"),
		src_port = field("src_port", "int"),
		dst_port = field("dst_port", "int"),
		pkt_size = field("pkt_size", "int"),
		ip_proto = call("range.ip_proto", { "ports", "text" }),
	}, "range."),
}, "")

-- The clock that the profiles read.
local open = io.open
io.open = function(path, ...)
	if path ~= "/proc/uptime" then
		return open(path, ...)
	end
	return { read = function() return clock end, close = function() end }
end

dofile(arg[1])
