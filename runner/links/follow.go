package links

import (
	"context"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"

	"cove/internal/dirwatch"
	"cove/internal/ids"
	"cove/runner/record"
)

// Follow keeps the addresses of the linked containers in a file of hosts right, until ctx ends: each of their
// lives may have another. Only they are changed, and in place, as the file is bound. Whom nobody can watch stays
// as it is.
func Follow(ctx context.Context, root, hosts string, all []Linked) {
	var changing sync.Mutex
	for _, l := range all {
		w, err := dirwatch.Open(string(record.Of(root, l.ID)))
		if err != nil {
			continue
		}
		go func() {
			defer w.Close()
			for {
				if st, err := reached(root, l.ID, l.cfg); err == nil && st.Alive() && st.Network.IP.IsValid() {
					if ip := st.Network.IP.Addr(); ip != l.ip {
						changing.Lock()
						err := move(hosts, []string{l.Alias, ids.Short(l.ID), l.name}, l.ip, ip)
						changing.Unlock()
						if err == nil { // else again with the next change
							l.ip = ip
						}
					}
				}
				select {
				case <-ctx.Done():
					return
				case <-w.Changed:
				}
			}
		}()
	}
}

// move gives the lines of hosts with one of the names another address.
func move(hosts string, names []string, from, to netip.Addr) error {
	data, err := os.ReadFile(hosts)
	if err != nil {
		return err
	}
	lines := strings.SplitAfter(string(data), "\n")
	for i, line := range lines {
		words := strings.Fields(line)
		named := func(word string) bool { return slices.Contains(names, word) }
		if len(words) > 1 && words[0] == from.String() && slices.ContainsFunc(words[1:], named) {
			lines[i] = strings.Replace(line, words[0], to.String(), 1)
		}
	}
	f, err := os.OpenFile(hosts, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strings.Join(lines, ""))
	if closed := f.Close(); err == nil {
		err = closed
	}
	return err
}
