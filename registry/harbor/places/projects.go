package places

import (
	"errors"
	"net/http"
	"strconv"

	"cove/registry/harbor/edge"
	"cove/registry/retention"

	"cove/distribution/errcode"
	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/harbor/listing"
	"cove/registry/harbor/shape"
	"cove/registry/projects"
	"cove/registry/quota"
	"cove/registry/scan/gate"
)

// ProjectOf is a project in Harbor's terms.
func ProjectOf(p listing.Project) shape.Project {
	return shape.Project{
		ID: p.ID, Name: p.Name, OwnerName: p.Owner, Created: p.CreatedAt, Updated: p.CreatedAt,
		Repositories: p.Repositories, Metadata: shape.Metadata{public: strconv.FormatBool(p.Public)},
		Roles: []int64{},
	}
}

// public is a setting that this registry shares with Harbor's; those of signatures are
// in signatures.go.
const public = "public"

func (o operations) projectList(asked *edge.Ask) (any, error) {
	query := asked.URL.Query()
	if name := query.Get("project_name"); name != "" { // HEAD asks so whether there is such a project
		_, err := o.Browse.Project(asked.Context(), asked.Caller, name)
		switch kind := errdefs.KindOf(err); {
		case errors.Is(kind, errdefs.ErrNotFound), errors.Is(kind, errdefs.ErrDenied),
			errors.Is(kind, errdefs.ErrUnauthenticated): // which it is, is not told
			return nil, errdefs.Errorf(errdefs.ErrNotFound, "project %q does not exist", name)
		case err != nil:
			return nil, err
		}
		query.Set("name", name)
	}
	of := listing.Projects{Name: query.Get("name"), Owner: query.Get("owner")}
	for _, text := range []string{query.Get(public), first(asked.Filter(public))} {
		if text == "" {
			continue
		}
		b, err := strconv.ParseBool(text)
		if err != nil {
			return nil, edge.Invalid("query: public %q is neither true nor false", text)
		}
		of.Public = &b
	}
	if name, fuzzy := asked.Filter("name"); name != "" {
		of.Name, of.Exact = name, !fuzzy
	}
	if owner, _ := asked.Filter("owner"); owner != "" {
		of.Owner = owner
	}
	found, total, err := o.Lists.Projects(asked.Context(), asked.Caller.Viewer(), of, asked.List())
	if err != nil {
		return nil, err
	}
	asked.Paged(total)
	items := []shape.Project{}
	for _, p := range found {
		items = append(items, ProjectOf(p))
	}
	return items, nil
}

func first(value string, _ bool) string { return value }

// wish is what a project is to be, as far as this registry has it.
type wish struct {
	visible *bool
	signed  trusted
	scans   scanning
	through through
}

func wishOf(r shape.ProjectRequest) (w wish, err error) {
	w.visible = r.Public
	for name, value := range r.Metadata {
		on, err := strconv.ParseBool(value)
		switch {
		case name == public && err == nil:
			w.visible = &on
		case name == public:
			return w, edge.Invalid("metadata: public %q is neither true nor false", value)
		case isScanning(name) && value != "":
			if err := w.scans.say(name, value); err != nil {
				return w, err
			}
		case isTrust(name) && err == nil:
			if w.signed == nil {
				w.signed = trusted{}
			}
			w.signed[name] = on
		case isThrough(name) && value != "":
			if err := w.through.say(name, value); err != nil {
				return w, err
			}
		case value == "" || err == nil && !on:
			// what is off here is not there anyway
		default:
			return w, edge.Unsupported("the setting %s of a project", name)
		}
	}
	if r.RegistryID != nil {
		w.through.registry = *r.RegistryID
	}
	return w, w.scans.list(r.Allowlist)
}

// limit is the quota that a request gives a project; nil leaves it as it is. Who may not set
// quotas has the one of all, which -1 and 0 stand for in what Harbor's clients send.
func (o operations) limit(asked *edge.Ask, r shape.ProjectRequest) (*int64, error) {
	switch {
	case r.StorageLimit == nil || *r.StorageLimit == 0:
		return nil, nil
	case o.Judge.Permit(asked.Context(), o.DB, asked.Caller, quota.Set, "") == nil:
		return r.StorageLimit, nil
	case *r.StorageLimit == quota.Unlimited:
		return nil, nil
	}
	return nil, errdefs.Errorf(errdefs.ErrDenied, "storage_limit is for administrators of the registry to set")
}

func (o operations) projectCreate(asked *edge.Ask) (any, error) {
	var r shape.ProjectRequest
	if err := asked.Read(&r); err != nil {
		return nil, err
	}
	want, err := wishOf(r)
	if err == nil && want.signed.on() {
		err = edge.Unsupported("the setting %s of a project that is new: it has no key yet", cosign)
	}
	if err != nil {
		return nil, err
	}
	limit, err := o.limit(asked, r)
	if err != nil {
		return nil, err
	}
	if _, err := want.scans.settled(gate.Standard); err != nil { // before anything is made
		return nil, err
	}
	err = o.createAs(asked, r.Name, want)
	if err == nil && limit != nil {
		err = o.Policies.Quotas.Limit(asked.Context(), asked.Caller, r.Name, limit)
	}
	if err == nil {
		asked.Project = r.Name
		err = o.setScans(asked, want.scans)
	}
	if err != nil {
		return nil, err
	}
	made, err := o.Lists.Project(asked.Context(), r.Name)
	if err != nil {
		return nil, err
	}
	where := strconv.FormatInt(made.ID, 10)
	if asked.URL.Query().Get("X-Resource-Name-In-Location") == "true" ||
		asked.Header.Get("X-Resource-Name-In-Location") == "true" {
		where = r.Name
	}
	asked.Created("/projects/" + where)
	return nil, nil
}

// createAs makes a project, or one that shows another registry.
func (o operations) createAs(asked *edge.Ask, name string, want wish) error {
	public := want.visible != nil && *want.visible
	if want.through.registry == 0 {
		if want.through.limited() {
			return edge.Invalid("registry_id: limits of a proxy are for a project that is one")
		}
		return o.Projects.Create(asked.Context(), asked.Caller, name, public)
	}
	return o.makeProxy(asked, name, public, want.through)
}

func (o operations) projectGet(asked *edge.Ask) (any, error) {
	seen, err := o.Browse.Project(asked.Context(), asked.Caller, asked.Project)
	if err != nil {
		return nil, err
	}
	p, err := o.Lists.Project(asked.Context(), asked.Project)
	if err != nil {
		return nil, err
	}
	shown := ProjectOf(p)
	if err := o.settings(asked, p, shown.Metadata); err != nil {
		return nil, err
	}
	if shown.RegistryID, err = o.shownThrough(asked, shown.Metadata); err != nil {
		return nil, err
	}
	own, err := o.scanned(asked, shown.Metadata)
	if err != nil {
		return nil, err
	}
	shown.Allowlist = allowlist(p, own)
	if id := edge.RoleID(seen.Role); id != 0 {
		shown.Role, shown.Roles = id, []int64{id}
	}
	return shown, nil
}

func (o operations) projectChange(asked *edge.Ask) (any, error) {
	var r shape.ProjectRequest
	if err := asked.Read(&r); err != nil {
		return nil, err
	}
	want, err := wishOf(r)
	if err != nil {
		return nil, err
	}
	limit, err := o.limit(asked, r)
	if err == nil && limit != nil {
		err = o.Policies.Quotas.Limit(asked.Context(), asked.Caller, asked.Project, limit)
	}
	if err != nil {
		return nil, err
	}
	return nil, o.change(asked, want)
}

// change does what was wished for.
func (o operations) change(asked *edge.Ask, want wish) error {
	if err := o.throughIs(asked, want.through); err != nil {
		return err
	}
	if err := o.trust(asked, want.signed); err != nil {
		return err
	}
	if err := o.setScans(asked, want.scans); err != nil || want.visible == nil {
		return err
	}
	return o.Projects.Change(asked.Context(), asked.Caller, asked.Project, projects.Change{Public: want.visible})
}

func (o operations) projectDelete(asked *edge.Ask) (any, error) {
	err := o.Projects.Remove(asked.Context(), asked.Caller, asked.Project)
	if errors.Is(err, errdefs.ErrConflict) { // Harbor's clients know no other answer for it
		err = errcode.New(http.StatusPreconditionFailed, errcode.Conflict, err.Error())
	}
	return nil, err
}

func (o operations) projectDeletable(asked *edge.Ask) (any, error) {
	p, err := o.Lists.Project(asked.Context(), asked.Project)
	if err != nil {
		return nil, err
	}
	if p.Repositories > 0 {
		return shape.Deletable{
			Message: "the project contains repositories, can not be deleted",
		}, nil
	}
	return shape.Deletable{Deletable: true}, nil
}

func (o operations) projectSummary(asked *edge.Ask) (any, error) {
	p, err := o.Lists.Project(asked.Context(), asked.Project)
	if err != nil {
		return nil, err
	}
	summary := shape.Summary{Repositories: p.Repositories}
	counts := map[string]*int64{
		"project-admin": &summary.Admins, "maintainer": &summary.Maintainers, "developer": &summary.Developers,
		"guest": &summary.Guests, "limited-guest": &summary.LimitedGuests,
	}
	if o.May(asked, quota.Look) {
		used, err := o.Policies.Quotas.Of(asked.Context(), asked.Caller, asked.Project)
		if err != nil {
			return nil, err
		}
		summary.Quota = &shape.SummaryQuota{
			Hard: shape.Resources{Storage: used.Limit}, Used: shape.Resources{Storage: used.Used},
		}
	}
	if !o.May(asked, auth.ListMembers) {
		return summary, nil
	}
	members, err := o.Browse.Members(asked.Context(), asked.Caller, asked.Project)
	for _, m := range members {
		if n := counts[m.Role]; n != nil {
			*n++
		}
	}
	return summary, err
}

func (o operations) metadata(asked *edge.Ask) (any, error) {
	p, err := o.Lists.Project(asked.Context(), asked.Project)
	if err != nil {
		return nil, err
	}
	m := shape.Metadata{public: strconv.FormatBool(p.Public)}
	if _, err := o.scanned(asked, m); err != nil {
		return nil, err
	}
	if _, err := o.shownThrough(asked, m); err != nil {
		return nil, err
	}
	return m, o.settings(asked, p, m)
}

// settings adds the settings of a project that are more than its row.
func (o operations) settings(asked *edge.Ask, p listing.Project, m shape.Metadata) error {
	if o.May(asked, retention.Look) {
		policy, err := o.Policies.Retention.Of(asked.Context(), asked.Caller, asked.Project)
		if err != nil {
			return err
		}
		if len(policy.Rules) > 0 || policy.Schedule.Cron != "" {
			m["retention_id"] = strconv.FormatInt(p.ID, 10)
		}
	}
	return o.signed(asked, m)
}

func (o operations) metadataOne(asked *edge.Ask) (any, error) {
	name := asked.PathValue("meta")
	all, err := o.metadata(asked)
	if err != nil {
		return nil, err
	}
	value, ok := all.(shape.Metadata)[name]
	if !ok {
		return nil, errdefs.Errorf(errdefs.ErrNotFound, "a project has no setting %q here", name)
	}
	return shape.Metadata{name: value}, nil
}

func (o operations) metadataSet(asked *edge.Ask) (any, error) {
	var m shape.Metadata
	if err := asked.Read(&m); err != nil {
		return nil, err
	}
	name := asked.PathValue("meta")
	value, ok := m[name]
	if !ok || len(m) != 1 {
		return nil, edge.Invalid("body: it should be {%q: …} and nothing else", name)
	}
	want, err := wishOf(shape.ProjectRequest{Metadata: shape.Metadata{name: value}})
	if err != nil {
		return nil, err
	}
	return nil, o.change(asked, want)
}
