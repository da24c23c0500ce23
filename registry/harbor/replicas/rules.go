package replicas

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cove/errdefs"
	"cove/registry/harbor/edge"
	"cove/registry/harbor/shape"
	"cove/registry/replication"
	"cove/registry/replication/choice"
)

// Harbor's words of triggers and filters.
const (
	byHand    = "manual"
	scheduled = "scheduled"
	onEvent   = "event_based"

	ofName     = "name"
	ofTag      = "tag"
	ofLabel    = "label"
	ofResource = "resource"
	image      = "image"
)

const kib = 1 << 10

// images are the types of what Harbor calls an image.
var images = []string{
	"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json",
}

// here is this registry in a policy.
func here() *shape.Endpoint { return &shape.Endpoint{Name: "Local", Type: "harbor", Status: "healthy"} }

func ruleOf(r replication.Rule, at shape.Endpoint) shape.Replication {
	made := r.At.UTC()
	out := shape.Replication{
		ID: r.ID, Name: r.Name, Source: here(), Target: &at, Namespace: r.Namespace, Flatten: &r.Flatten,
		Trigger: &shape.ReplicationTrigger{Type: byHand}, Filters: filtersOf(r.Options), Delete: r.Delete,
		Deletion: r.Delete, Override: r.Override, Enabled: r.Enabled, Speed: new(int64(choice.FlattenAll)),
		ByChunk: new(!r.Whole), Single: new(!r.Parallel), Created: &made, Updated: &made,
	}
	if r.Direction == replication.Pull {
		out.Source, out.Target = out.Target, out.Source
	}
	if r.Namespace == "" && r.Flatten == 0 { // without a namespace Harbor takes nothing off
		out.Flatten = new(choice.FlattenAll)
	}
	if r.Rate > 0 {
		out.Speed = new(r.Rate / kib)
	}
	switch {
	case r.Schedule != "":
		out.Trigger = &shape.ReplicationTrigger{
			Type: scheduled, Settings: shape.ReplicationSettings{Cron: r.Schedule},
		}
	case r.OnEvent:
		out.Trigger.Type = onEvent
	}
	return out
}

func decoration(except bool) string {
	if except {
		return edge.Excludes
	}
	return edge.Matches
}

func filtersOf(o replication.Options) []shape.Filter {
	filters := []shape.Filter{}
	if o.Filter.Repositories != "" {
		filters = append(filters, shape.Filter{
			Type: ofName, Value: o.Filter.Repositories, Decoration: decoration(o.Filter.ExceptRepositories),
		})
	}
	if o.Filter.Tags != "" {
		filters = append(filters, shape.Filter{
			Type: ofTag, Value: o.Filter.Tags, Decoration: decoration(o.Filter.ExceptTags),
		})
	}
	if len(o.Labels) > 0 {
		filters = append(filters, shape.Filter{Type: ofLabel, Value: o.Labels, Decoration: edge.Matches})
	}
	if slices.Equal(o.MediaTypes, images) {
		filters = append(filters, shape.Filter{Type: ofResource, Value: image})
	}
	return filters
}

// filter puts one of Harbor's filters over the choices of a rule.
func filter(o *replication.Options, f shape.Filter) error {
	if f.Decoration != "" && f.Decoration != edge.Matches && f.Decoration != edge.Excludes {
		return edge.Invalid("body: the decoration %q is neither %s nor %s", f.Decoration, edge.Matches, edge.Excludes)
	}
	except := f.Decoration == edge.Excludes
	text, isText := f.Value.(string)
	list, isList := f.Value.([]any)
	switch {
	case f.Type == ofName && isText:
		o.Filter.Repositories, o.Filter.ExceptRepositories = text, except
	case f.Type == ofTag && isText:
		o.Filter.Tags, o.Filter.ExceptTags = text, except
	case f.Type == ofLabel && isList && !except:
		for _, one := range list {
			o.Labels = append(o.Labels, fmt.Sprint(one))
		}
	case f.Type == ofResource && text == image && !except:
		o.MediaTypes = images
	case f.Type == ofResource && text == "" && (isText || f.Value == nil):
		o.MediaTypes = nil
	case f.Type == ofLabel || f.Type == ofResource:
		return edge.Unsupported("the filter %s %s %v", f.Type, f.Decoration, f.Value)
	default:
		return edge.Invalid("body: the filter %q: %v is none of %s, %s, %s and %s with a value of its kind", f.Type, f.Value,
			ofName, ofTag, ofLabel, ofResource)
	}
	return nil
}

// other is the endpoint of a policy, and the direction: one of the two registries is this
// one, of no number.
func other(r shape.Replication) (id int64, d choice.Direction, err error) {
	number := func(e *shape.Endpoint) int64 {
		if e == nil {
			return 0
		}
		return e.ID
	}
	source, target := number(r.Source), number(r.Target)
	switch {
	case (source == 0) == (target == 0):
		return 0, "", edge.Invalid("body: one of src_registry and dest_registry has the number of another registry, " +
			"and only one")
	case source != 0:
		return source, replication.Pull, nil
	}
	return target, replication.Push, nil
}

// options are what a request chooses; of what was there stays what Harbor cannot say: other
// types, and the zone of a schedule that stays.
func options(r shape.Replication, was replication.Options) (o replication.Options, err error) {
	o = replication.Options{
		Namespace: r.Namespace, Override: r.Override, Delete: r.Delete || r.Deletion, MediaTypes: was.MediaTypes,
		Parallel: r.Single != nil && !*r.Single, Whole: r.ByChunk != nil && !*r.ByChunk,
	}
	if slices.Equal(o.MediaTypes, images) { // these it can say
		o.MediaTypes = nil
	}
	for _, f := range r.Filters {
		if err := filter(&o, f); err != nil {
			return o, err
		}
	}
	if o.Flatten = choice.FlattenAll; r.Flatten != nil {
		o.Flatten = *r.Flatten
	}
	if r.Namespace == "" {
		o.Flatten = 0
		if was.Namespace == "" && was.Flatten != 0 && r.Flatten != nil && *r.Flatten == was.Flatten {
			o.Flatten = was.Flatten
		}
	}
	if r.Speed != nil && *r.Speed > 0 {
		o.Rate = *r.Speed * kib
	}
	if r.Trigger == nil {
		return o, nil
	}
	switch r.Trigger.Type {
	case byHand, "":
	case onEvent:
		o.OnEvent = true
	case scheduled:
		if o.Schedule = r.Trigger.Settings.Cron; o.Schedule == "" {
			return o, edge.Invalid("body: trigger.trigger_settings.cron is missing")
		}
		if o.Schedule == was.Schedule {
			o.Zone = was.Zone
		}
	default:
		return o, edge.Invalid("body: the trigger %q is none of %s, %s and %s", r.Trigger.Type,
			byHand, scheduled, onEvent)
	}
	return o, nil
}

// request is the rule that a request describes, in the place of one that was.
func (o operations) request(asked *edge.Ask, was replication.Rule) (rule replication.Rule, err error) {
	var r shape.Replication
	if err := asked.Read(&r); err != nil {
		return rule, err
	}
	if r.Description != "" {
		return rule, edge.Unsupported("the description of a policy: its name says what it is for")
	}
	id, direction, err := other(r)
	if err != nil {
		return rule, err
	}
	at, err := o.named(asked, id)
	if err != nil {
		return rule, err
	}
	rule = replication.Rule{Name: r.Name, Endpoint: at.Name, Enabled: r.Enabled}
	if rule.Options, err = options(r, was.Options); err != nil {
		return rule, err
	}
	rule.Direction = direction
	return rule, nil
}

// ruleNumbered is the rule of a number.
func (o operations) ruleNumbered(asked *edge.Ask, id int64) (replication.Rule, error) {
	all, err := o.Policies.Replication.List(asked.Context(), asked.Caller)
	if err != nil {
		return replication.Rule{}, err
	}
	for _, r := range all {
		if r.ID == id {
			return r, nil
		}
	}
	return replication.Rule{}, errdefs.Errorf(errdefs.ErrNotFound, "replication policy %d does not exist", id)
}

func (o operations) rule(asked *edge.Ask) (replication.Rule, error) {
	id, err := edge.Number("policy", asked.PathValue("policy"))
	if err != nil {
		return replication.Rule{}, err
	}
	return o.ruleNumbered(asked, id)
}

// endpoints are all of them in Harbor's terms, by their names.
func (o operations) endpoints(asked *edge.Ask) (map[string]shape.Endpoint, error) {
	all, err := o.Policies.Endpoints.List(asked.Context(), asked.Caller)
	byName := map[string]shape.Endpoint{}
	for _, e := range all {
		byName[e.Name] = shown(e)
	}
	return byName, err
}

func (o operations) ruleList(asked *edge.Ask) (any, error) {
	name, fuzzy := asked.Filter("name")
	if plain := asked.URL.Query().Get("name"); plain != "" { // as it was asked before there was q=
		name, fuzzy = plain, true
	}
	at, err := o.endpoints(asked)
	if err != nil {
		return nil, err
	}
	all, err := o.Policies.Replication.List(asked.Context(), asked.Caller)
	if err != nil {
		return nil, err
	}
	found := []shape.Replication{}
	for _, r := range all {
		if like(r.Name, name, fuzzy) {
			found = append(found, ruleOf(r, at[r.Endpoint]))
		}
	}
	err = edge.Order(asked, found, map[string]func(a, b shape.Replication) int{
		"id":            func(a, b shape.Replication) int { return cmp.Compare(a.ID, b.ID) },
		"name":          func(a, b shape.Replication) int { return strings.Compare(a.Name, b.Name) },
		"creation_time": func(a, b shape.Replication) int { return a.Created.Compare(*b.Created) },
		"update_time":   func(a, b shape.Replication) int { return a.Updated.Compare(*b.Updated) },
	})
	if err != nil {
		return nil, err
	}
	return edge.Part(asked, found), nil
}

func (o operations) ruleGet(asked *edge.Ask) (any, error) {
	r, err := o.rule(asked)
	if err != nil {
		return nil, err
	}
	at, err := o.endpoints(asked)
	return ruleOf(r, at[r.Endpoint]), err
}

func (o operations) ruleCreate(asked *edge.Ask) (any, error) {
	r, err := o.request(asked, replication.Rule{})
	if err != nil {
		return nil, err
	}
	made, err := o.Policies.Replication.Create(asked.Context(), asked.Caller, r)
	if err != nil {
		return nil, err
	}
	asked.Created("/replication/policies/" + strconv.FormatInt(made.ID, 10))
	return nil, nil
}

func (o operations) ruleChange(asked *edge.Ask) (any, error) {
	was, err := o.rule(asked)
	if err != nil {
		return nil, err
	}
	r, err := o.request(asked, was)
	if err != nil {
		return nil, err
	}
	if r.Name != was.Name {
		return nil, edge.Unsupported("another name for a policy: make another one")
	}
	_, err = o.Policies.Replication.Set(asked.Context(), asked.Caller, r)
	return nil, err
}

func (o operations) ruleDelete(asked *edge.Ask) (any, error) {
	r, err := o.rule(asked)
	if err != nil {
		return nil, err
	}
	return nil, o.Policies.Replication.Remove(asked.Context(), asked.Caller, r.Name)
}
