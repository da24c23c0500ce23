package dockertypes

import "cove/events"

// Event is docker's, as events prints it and its API sends it: the lower-case fields
// of containers and images are those that it had first, and keeps for old programs.
type Event struct {
	Status   string `json:"status,omitempty"`
	ID       string `json:"id,omitempty"`
	From     string `json:"from,omitempty"`
	Type     string
	Action   string
	Actor    Actor
	Scope    string `json:"scope"`
	Time     int64  `json:"time"`
	TimeNano int64  `json:"timeNano"`
}

// Actor is what something happened to.
type Actor struct {
	ID         string
	Attributes map[string]string
}

// OfEvent describes an event.
func OfEvent(e events.Event) Event {
	out := Event{
		Type: string(e.Type), Action: e.Action, Actor: Actor{ID: e.ID, Attributes: e.Attributes}, Scope: "local",
		Time: e.Time.Unix(), TimeNano: e.Time.UnixNano(),
	}
	if out.Actor.Attributes == nil {
		out.Actor.Attributes = map[string]string{}
	}
	switch e.Type {
	case events.Container:
		out.Status, out.ID, out.From = e.Action, e.ID, e.Attributes["image"]
	case events.Image:
		out.Status, out.ID = e.Action, e.ID
	}
	return out
}
