package network

import (
	"errors"
	"slices"
	"sync"

	"cove/errdefs"
	"cove/network/namespace"
	"cove/network/usermode"
)

// connectUser is Connect for a user who may not change the host's network: there are
// no bridges then, and each container goes out for itself.
func connectUser(cfg Config) (*Endpoint, error) {
	asks := func(at Attachment) bool { return !at.AsksNothing() }
	if !cfg.OnNamed() && slices.ContainsFunc(cfg.Attachments, asks) {
		return nil, errdefs.Errorf(errdefs.ErrUnsupported,
			"network %s: without root no address, of hardware or of the link, can be asked for: there is no bridge", cfg.Mode)
	}
	if cfg.OnNamed() || len(cfg.Links) > 0 {
		return nil, errdefs.Errorf(errdefs.ErrUnsupported, "network: networks with names, and links, need bridges, which "+
			"only root can make; without root there are bridge (each container for itself), none, host and container:NAME")
	}
	e := &Endpoint{wired: make(chan error, 1)}
	made := make(chan struct{})
	e.made = sync.OnceFunc(func() { close(made) })
	go func() {
		<-made
		e.wired <- e.connectUser(cfg)
	}()
	if cfg.OwnNamespace {
		return e, nil
	}
	ns, err := namespace.New()
	e.ns = ns
	e.made()
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	e.Path = ns.Path()
	return e, nil
}

// connectUser connects the namespace that is there, and tells the state.
func (e *Endpoint) connectUser(cfg Config) (err error) {
	if e.ns == nil {
		return nil
	}
	_ = e.ns.WithIPv6() // a kernel without needs no setting
	if err := e.ns.RaiseLoopback(); err != nil {
		return err
	}
	if e.user, err = usermode.Connect(e.ns.File(), cfg.Ports); err != nil {
		return err
	}
	at, mac, err := e.ns.Address(usermode.Interface)
	e.State.IP, e.State.Gateway, e.State.MAC, e.State.Ports = at.IP, at.Gateway, mac, e.user.Ports
	return err
}
