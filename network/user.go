package network

import (
	"slices"

	"cove/errdefs"
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
	e := &Endpoint{}
	return e.begin(cfg, e.connectUser)
}

// connectUser connects the namespace when it is there, and tells the state.
func (e *Endpoint) connectUser(cfg Config, made <-chan struct{}) (err error) {
	<-made
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
