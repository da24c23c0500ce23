package publish

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// Listening are the addresses on which something in the network namespace of a process
// takes what comes to a port. A socket on :: takes IPv4 too.
func Listening(pid int, port uint16, proto string) (all []netip.Addr, err error) {
	for _, table := range []string{proto, proto + "6"} {
		some, err := listening("/proc/"+strconv.Itoa(pid)+"/net/"+table, port, proto == "tcp")
		if err != nil {
			return all, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// listening reads a table of /proc/net; one that is not there has no sockets, as of a
// protocol that the kernel has not.
func listening(path string, port uint16, state bool) (all []netip.Addr, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("network: reading the sockets of a container: %w", err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		col := strings.Fields(lines.Text())
		if len(col) < 4 || state && col[3] != "0A" {
			continue
		}
		addr, num, _ := strings.Cut(col[1], ":")
		n, err := strconv.ParseUint(num, 16, 16)
		if err != nil || uint16(n) != port {
			continue
		}
		if ip, ok := kernelAddr(addr); ok {
			all = append(all, ip)
		}
	}
	return all, nil
}

// kernelAddr reads an address as /proc/net has it: words of 32 bits in the order of
// this machine.
func kernelAddr(text string) (netip.Addr, bool) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw)%4 != 0 {
		return netip.Addr{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	return netip.AddrFromSlice(raw)
}
