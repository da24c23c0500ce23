package firewall

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// Watch tells when somebody removes tables, chains or rules of tables with the names,
// or of a foreign firewall; never of what is published. It ends by Close.
type Watch struct {
	fd, wake int
	done     chan struct{}
}

// quietTime is how long a change of rules may take: a firewall that reloads flushes and
// makes them again.
const quietTime = 200 * time.Millisecond

// NewWatch calls lost after every such change.
func NewWatch(names []string, lost func()) (*Watch, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, fmt.Errorf("network: watching rules: %w", err)
	}
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1 << (unix.NFNLGRP_NFTABLES - 1)})
		if err != nil {
			unix.Close(wake)
		}
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("network: watching rules: %w", err)
	}
	w := &Watch{fd: fd, wake: wake, done: make(chan struct{})}
	go w.run(append(slices.Clone(names), foreignTable), lost)
	return w, nil
}

// Close ends the watch; lost is not called any more when it returns.
func (w *Watch) Close() {
	_, _ = unix.Write(w.wake, binary.NativeEndian.AppendUint64(nil, 1)) // cannot fail: nobody else writes
	<-w.done
	unix.Close(w.fd)
	unix.Close(w.wake)
}

func (w *Watch) run(names []string, lost func()) {
	defer close(w.done)
	buf := make([]byte, 16<<10)
	for changed := false; ; {
		timeout := -1
		if changed {
			timeout = int(quietTime.Milliseconds())
		}
		polled := []unix.PollFd{{Fd: int32(w.fd), Events: unix.POLLIN}, {Fd: int32(w.wake), Events: unix.POLLIN}}
		n, err := unix.Poll(polled, timeout)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil || polled[1].Revents != 0:
			return
		case n == 0:
			changed = false
			lost()
			continue
		}
		got, _, err := unix.Recvfrom(w.fd, buf, unix.MSG_DONTWAIT)
		if errors.Is(err, unix.ENOBUFS) { // more changes than the socket holds
			changed = true
		} else if err == nil {
			changed = changed || concerns(buf[:got], names)
		}
	}
}

// removals are the messages that take something away (linux/netfilter/nf_tables.h); of
// the numbers above 8 bits the subsystem is made.
var removals = []uint16{unix.NFT_MSG_DELTABLE, unix.NFT_MSG_DELCHAIN, unix.NFT_MSG_DELRULE}

// concerns reports whether netlink messages tell of a removal from one of the tables:
// each has a header of 16 bytes, one of 4 of netfilter, and the name of the table as
// attribute 1.
func concerns(msgs []byte, names []string) bool {
	for len(msgs) >= unix.SizeofNlMsghdr {
		size := int(binary.NativeEndian.Uint32(msgs))
		kind := binary.NativeEndian.Uint16(msgs[4:])
		if size < unix.SizeofNlMsghdr || size > len(msgs) {
			return false
		}
		if kind>>8 == unix.NFNL_SUBSYS_NFTABLES && slices.Contains(removals, kind&0xff) &&
			slices.Contains(names, tableName(msgs[unix.SizeofNlMsghdr:size])) {
			return true
		}
		msgs = msgs[min(len(msgs), (size+3)&^3):]
	}
	return false
}

func tableName(body []byte) string {
	const ofNetfilter, ofAttribute, name = 4, 4, 1
	for body = body[min(len(body), ofNetfilter):]; len(body) >= ofAttribute; {
		size, kind := int(binary.NativeEndian.Uint16(body)), binary.NativeEndian.Uint16(body[2:])
		if size < ofAttribute || size > len(body) {
			return ""
		}
		if kind == name {
			text := body[ofAttribute:size]
			if n := len(text); n > 0 && text[n-1] == 0 {
				text = text[:n-1]
			}
			return string(text)
		}
		body = body[min(len(body), (size+3)&^3):]
	}
	return ""
}
