package rules

import (
	"cmp"
	"strconv"
	"strings"

	"cove/registry/harbor/edge"
	"cove/registry/harbor/shape"
	"cove/registry/webhook"
	"cove/registry/webhook/payload"
)

// What targets of Harbor's webhooks are called.
const (
	targetHTTP  = "http"
	targetSlack = "slack"
	shapeOwn    = "Default"
	shapeCloud  = "CloudEvents"
)

// targetOf is a webhook's receiver. Teams is not among Harbor's: such a webhook is shown
// as of the kind http in its default format, and keeps its own when that is sent back.
func targetOf(h webhook.Webhook) shape.Target {
	t := shape.Target{Type: targetHTTP, Address: h.URL, SkipVerify: h.SkipVerify, Format: shapeOwn}
	switch h.Format {
	case payload.Slack:
		t.Type, t.Format = targetSlack, ""
	case payload.CloudEvents:
		t.Format = shapeCloud
	}
	return t
}

func hookOf(h webhook.Webhook, project int64) shape.Webhook {
	events := []string{}
	for _, e := range h.Events {
		events = append(events, string(e))
	}
	return shape.Webhook{
		ID: h.ID, Name: h.Name, ProjectID: project, Targets: []shape.Target{targetOf(h)}, Events: events,
		Creator: h.By, Created: h.CreatedAt.UTC(), Updated: h.ChangedAt.UTC(), Enabled: h.Enabled,
	}
}

// formatOf is how a target is written to.
func formatOf(t shape.Target) (payload.Format, error) {
	switch {
	case t.Type == targetSlack:
		return payload.Slack, nil
	case t.Type != targetHTTP:
		return "", edge.Invalid("body: the type %q of a target is neither http nor slack", t.Type)
	case t.Format == shapeCloud:
		return payload.CloudEvents, nil
	case t.Format == "" || t.Format == shapeOwn:
		return payload.Default, nil
	}
	return "", edge.Invalid("body: the payload_format %q is neither Default nor CloudEvents", t.Format)
}

// specOf is what a body asks for. Whoever leaves out the header that is sent along leaves
// it as it is: no answer shows it.
func specOf(asked *edge.Ask) (s webhook.Spec, err error) {
	var r shape.WebhookRequest
	if err := asked.Read(&r); err != nil {
		return s, err
	}
	switch {
	case len(r.Targets) != 1:
		return s, edge.Unsupported("a webhook with other than one target: make one for each")
	case r.Description != "":
		return s, edge.Unsupported("the description of a webhook: its name says what it is for")
	case len(r.Events) == 0:
		return s, edge.Invalid("body: event_types is empty")
	}
	events := []payload.Type{}
	for _, text := range r.Events {
		e, err := payload.ParseType(text)
		if err != nil {
			return s, err
		}
		events = append(events, e)
	}
	target := r.Targets[0]
	format, err := formatOf(target)
	if err != nil {
		return s, err
	}
	s = webhook.Spec{
		URL: &target.Address, SkipVerify: &target.SkipVerify, Format: &format, Events: &events, Enabled: r.Enabled,
		Authorization: target.AuthHeader,
	}
	if r.Name != "" {
		s.Name = &r.Name
	}
	return s, nil
}

func (o operations) hookEvents(*edge.Ask) (any, error) {
	events := shape.HookEvents{Events: []string{}, Targets: []string{targetHTTP, targetSlack}}
	for _, e := range payload.Types() {
		events.Events = append(events.Events, string(e))
	}
	events.Formats = []shape.TargetFormats{
		{Type: targetHTTP, Formats: []string{shapeOwn, shapeCloud}}, {Type: targetSlack, Formats: []string{shapeOwn}},
	}
	return events, nil
}

func (o operations) hookList(asked *edge.Ask) (any, error) {
	name, fuzzy := asked.Filter("name")
	project, err := o.ProjectID(asked)
	if err != nil {
		return nil, err
	}
	found, err := o.Policies.Webhooks.List(asked.Context(), asked.Caller, asked.Project)
	if err != nil {
		return nil, err
	}
	items := []shape.Webhook{}
	for _, h := range found {
		if name == "" || h.Name == name || fuzzy && strings.Contains(h.Name, name) {
			items = append(items, hookOf(h, project))
		}
	}
	err = edge.Order(asked, items, map[string]func(a, b shape.Webhook) int{
		"id":            func(a, b shape.Webhook) int { return cmp.Compare(a.ID, b.ID) },
		"name":          func(a, b shape.Webhook) int { return cmp.Compare(a.Name, b.Name) },
		"creation_time": func(a, b shape.Webhook) int { return a.Created.Compare(b.Created) },
		"update_time":   func(a, b shape.Webhook) int { return a.Updated.Compare(b.Updated) },
	})
	if err != nil {
		return nil, err
	}
	return edge.Part(asked, items), nil
}

func (o operations) hookCreate(asked *edge.Ask) (any, error) {
	s, err := specOf(asked)
	if err != nil {
		return nil, err
	}
	made, err := o.Policies.Webhooks.Create(asked.Context(), asked.Caller, asked.Project, s)
	if err != nil {
		return nil, err
	}
	asked.Created("/projects/" + asked.PathValue("project") + "/webhook/policies/" + strconv.FormatInt(made.ID, 10))
	return nil, nil
}

func hookID(asked *edge.Ask) (int64, error) { return edge.Number("webhook", asked.PathValue("hook")) }

func (o operations) hookGet(asked *edge.Ask) (any, error) {
	id, err := hookID(asked)
	if err != nil {
		return nil, err
	}
	project, err := o.ProjectID(asked)
	if err != nil {
		return nil, err
	}
	h, err := o.Policies.Webhooks.Get(asked.Context(), asked.Caller, asked.Project, id)
	return hookOf(h, project), err
}

func (o operations) hookChange(asked *edge.Ask) (any, error) {
	id, err := hookID(asked)
	if err != nil {
		return nil, err
	}
	s, err := specOf(asked)
	if err != nil {
		return nil, err
	}
	was, err := o.Policies.Webhooks.Get(asked.Context(), asked.Caller, asked.Project, id)
	if err != nil {
		return nil, err
	}
	if was.Format == payload.Teams && *s.Format == payload.Default {
		s.Format = nil // it is sent back as it was shown
	}
	_, err = o.Policies.Webhooks.Change(asked.Context(), asked.Caller, asked.Project, id, s)
	return nil, err
}

func (o operations) hookDelete(asked *edge.Ask) (any, error) {
	id, err := hookID(asked)
	if err != nil {
		return nil, err
	}
	return nil, o.Policies.Webhooks.Remove(asked.Context(), asked.Caller, asked.Project, id)
}
