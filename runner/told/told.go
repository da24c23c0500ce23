// Package told is what the log of events is told of containers.
package told

import (
	"cmp"
	"maps"
	"strconv"
	"time"

	"cove/events"
	"cove/network"
	"cove/network/definition"
	"cove/runner/record"
)

// Teller tells of one container.
type Teller struct {
	log  events.Log
	dir  record.Dir
	cfg  record.Config
	name string
}

// Of tells of the container that is recorded in dir, by the name that it has then.
func Of(dir record.Dir, cfg record.Config) Teller {
	return Teller{log: events.Of(dir.Root()), dir: dir, cfg: cfg}
}

// Named is Of for a container whose record is gone, or is about to be.
func Named(dir record.Dir, cfg record.Config, name string) Teller {
	t := Of(dir, cfg)
	t.name = name
	return t
}

// Tell tells of an action; more are keys and values of attributes beside its image,
// name and labels.
func (t Teller) Tell(action string, more ...string) { t.log.Tell(t.event(action, more...)) }

func (t Teller) event(action string, more ...string) events.Event {
	name := t.name
	if name == "" {
		name = t.cfg.Name
		if now, err := t.dir.Name(); err == nil {
			name = now
		}
	}
	attributes := maps.Clone(t.cfg.Labels)
	if attributes == nil {
		attributes = map[string]string{}
	}
	attributes["image"], attributes["name"] = t.cfg.Image, name
	for i := 1; i < len(more); i += 2 {
		attributes[more[i-1]] = more[i]
	}
	return events.Event{Type: events.Container, Action: action, ID: t.cfg.ID, Attributes: attributes}
}

// Started tells that the container runs, on its networks and with its volumes, and
// that somebody was attached before.
func (t Teller) Started(st record.State, attached bool) {
	var all []events.Event
	if attached {
		all = append(all, t.event(events.Attach))
	}
	all = append(all, t.networks(events.Connect, t.attached(st))...)
	all = append(all, t.volumes(events.Mount)...)
	t.log.Tell(append(all, t.event(events.Start))...)
}

// Ended tells how the container ended; was is its state while it ran, and of what that
// tells already nothing is told again.
func (t Teller) Ended(was record.State, exit record.ExitStatus, at time.Time) {
	var all []events.Event
	if exit.OOMKilled && !was.OOMKilled {
		all = append(all, t.event(events.OOM))
	}
	lived := strconv.Itoa(int(at.Sub(was.StartedAt).Seconds()))
	all = append(all, t.event(events.Die, "exitCode", strconv.Itoa(exit.Code), "execDuration", lived))
	all = append(all, t.networks(events.Disconnect, t.attached(was))...)
	t.log.Tell(append(all, t.volumes(events.Unmount)...)...)
}

// Network tells that the container was connected to a network, or disconnected.
func (t Teller) Network(action, id, name string) {
	t.log.Tell(t.networks(action, []network.Attached{{Network: id, Name: name}})...)
}

// attached are the networks that a container has while it runs, also those that
// give no address.
func (t Teller) attached(st record.State) []network.Attached {
	if len(st.Network.Attached) > 0 {
		return st.Network.Attached
	}
	mode := cmp.Or(t.cfg.Network.Mode, network.Bridge)
	if _, joins := mode.Peer(); joins {
		return nil
	}
	if mode != network.Host && !st.Network.IP.IsValid() {
		mode = network.None
	}
	return []network.Attached{{Name: string(mode)}}
}

func (t Teller) networks(action string, attached []network.Attached) (all []events.Event) {
	for _, a := range attached {
		kind := cmp.Or(a.Driver, definition.DriverBridge)
		switch network.Mode(a.Name) {
		case network.Host:
			kind = "host"
		case network.None:
			kind = "null"
		}
		all = append(all, events.Event{
			Type: events.Network, Action: action, ID: cmp.Or(a.Network, definition.PredefinedID(a.Name)),
			Attributes: map[string]string{"container": t.cfg.ID, "name": a.Name, "type": kind},
		})
	}
	return all
}

func (t Teller) volumes(action string) (all []events.Event) {
	for _, m := range t.cfg.Mounts {
		if m.Type != record.MountVolume {
			continue
		}
		attributes := map[string]string{"container": t.cfg.ID, "driver": "local"}
		if action == events.Mount {
			attributes["destination"], attributes["propagation"] = m.Target, m.Propagation
			attributes["read/write"] = strconv.FormatBool(!m.ReadOnly)
		}
		all = append(all, events.Event{Type: events.Volume, Action: action, ID: m.Name, Attributes: attributes})
	}
	return all
}

// Exec tells of one more process in the container: the action before it and after,
// with its command or how it ended.
type Exec struct {
	Teller
	ID      string
	Command string // in one line
}

// Begun tells that the process was made and started.
func (e Exec) Begun() {
	e.log.Tell(e.event(events.ExecCreate+": "+e.Command, "execID", e.ID),
		e.event(events.ExecStart+": "+e.Command, "execID", e.ID))
}

// Ended tells how it ended.
func (e Exec) Ended(code int) {
	e.Tell(events.ExecDie, "execID", e.ID, "exitCode", strconv.Itoa(code))
}
