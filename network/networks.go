package network

import (
	"errors"

	"cove/network/definition"
	"cove/network/etc"
	"cove/network/segment"
)

// Network is the networks of one local root: the default bridge, and those that
// people made. It is safe for concurrent use, by several processes too.
type Network struct {
	first  *segment.Segment // the default bridge's
	defs   *definition.Store
	answer etc.Answer // nil where nobody answers questions for names
}

// Open returns the networks of a local root; nothing is made yet.
func Open(root string) *Network {
	first := segment.Default(root)
	return &Network{first: first, defs: definition.Open(first.Dir)}
}

// segmentOf is that of a network that somebody made, or the default bridge's.
func (n *Network) segmentOf(id string) (*segment.Segment, error) {
	if id == "" {
		return n.first, nil
	}
	def, err := n.defs.Get(id)
	if err != nil {
		return nil, err
	}
	return segment.Of(n.defs, def)
}

// segments are all there are.
func (n *Network) segments() ([]*segment.Segment, error) {
	all := []*segment.Segment{n.first}
	defs, err := n.defs.All()
	if err != nil {
		return nil, err
	}
	for _, def := range defs {
		seg, err := segment.Of(n.defs, def)
		if err != nil {
			return nil, err
		}
		all = append(all, seg)
	}
	return all, nil
}

// Release frees the addresses and ports of a container whose monitor may be gone.
// With the last container of a network goes its firewall table, and the bridge
// unless it is the default root's.
func (n *Network) Release(id string) error { return n.release(id, "") }

// release is Release of the leases that owner holds, or anybody when it is "".
func (n *Network) release(id, owner string) error {
	all, err := n.segments()
	for _, seg := range all {
		err = errors.Join(err, seg.Release(id, owner))
	}
	return err
}

// releaseNamed is release on the networks that somebody made.
func (n *Network) releaseNamed(id, owner string) error {
	all, err := n.segments()
	for _, seg := range all {
		if seg.Named() {
			err = errors.Join(err, seg.Release(id, owner))
		}
	}
	return err
}

// Clean releases the leases and interfaces of containers whose monitor is gone,
// and, when none is left, removes bridges and tables. It tells what it removed.
func (n *Network) Clean() ([]string, error) {
	all, err := n.segments()
	if err != nil {
		return nil, err
	}
	var removed []string
	for _, seg := range all {
		gone, err := seg.Clean()
		removed = append(removed, gone...)
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}
