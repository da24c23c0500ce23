package content

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"cove/registry/harbor/edge"
	"cove/registry/retention"

	"cove/distribution/errcode"
	"cove/errdefs"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/harbor/listing"
	"cove/registry/harbor/shape"
	"cove/registry/projects"
	"cove/registry/quota"
)

func projectOf(p listing.Project) shape.Project {
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
		items = append(items, projectOf(p))
	}
	return items, nil
}

func first(value string, _ bool) string { return value }

// settings are what a project is to be, as far as this registry has it.
func settings(r shape.ProjectRequest) (visible *bool, signed trusted, err error) {
	visible = r.Public
	for name, value := range r.Metadata {
		on, err := strconv.ParseBool(value)
		switch {
		case name == public && err == nil:
			visible = &on
		case name == public:
			return nil, nil, edge.Invalid("metadata: public %q is neither true nor false", value)
		case isTrust(name) && err == nil:
			if signed == nil {
				signed = trusted{}
			}
			signed[name] = on
		case value == "" || err == nil && !on:
			// what is off here is not there anyway
		default:
			return nil, nil, edge.Unsupported("the setting %s of a project", name)
		}
	}
	if r.RegistryID != nil && *r.RegistryID != 0 {
		return nil, nil, edge.Unsupported("a proxy project: make it by PUT /api/v1/proxies/NAME, registry_id")
	}
	if list, ok := r.Allowlist.(map[string]any); ok {
		if items, _ := list["items"].([]any); len(items) > 0 {
			return nil, nil, edge.Unsupported("cve_allowlist in this request")
		}
	}
	return visible, signed, nil
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
	visible, signed, err := settings(r)
	if err == nil && signed.on() {
		err = edge.Unsupported("the setting %s of a project that is new: it has no key yet", cosign)
	}
	if err != nil {
		return nil, err
	}
	limit, err := o.limit(asked, r)
	if err != nil {
		return nil, err
	}
	err = o.Projects.Create(asked.Context(), asked.Caller, r.Name, visible != nil && *visible)
	if err == nil && limit != nil {
		err = o.Policies.Quotas.Limit(asked.Context(), asked.Caller, r.Name, limit)
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

func (o operations) projectGet(asked *edge.Ask) (any, error) {
	seen, err := o.Browse.Project(asked.Context(), asked.Caller, asked.Project)
	if err != nil {
		return nil, err
	}
	p, err := o.Lists.Project(asked.Context(), asked.Project)
	if err != nil {
		return nil, err
	}
	shown := projectOf(p)
	if err := o.settings(asked, p, shown.Metadata); err != nil {
		return nil, err
	}
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
	visible, signed, err := settings(r)
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
	return nil, o.change(asked, visible, signed)
}

// change does what settings said.
func (o operations) change(asked *edge.Ask, visible *bool, signed trusted) error {
	if err := o.trust(asked, signed); err != nil || visible == nil && signed != nil {
		return err
	}
	return o.Projects.Change(asked.Context(), asked.Caller, asked.Project, projects.Change{Public: visible})
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

// projectLogs are the lines about a project: those of its whole content are for who may
// read the log of the registry.
func (o operations) projectLogs(asked *edge.Ask) (any, error) {
	actor, _ := asked.Filter("username")
	action, _ := asked.Filter("operation")
	if err := asked.Understood(); err != nil {
		return nil, err
	}
	shown := *asked
	shown.Caller = auth.Operator() // the right was asked for the project, and the lines are its own
	return o.lines(&shown, audit.Query{Actor: actor, Action: action, Object: asked.Project})
}

func (o operations) metadata(asked *edge.Ask) (any, error) {
	p, err := o.Lists.Project(asked.Context(), asked.Project)
	if err != nil {
		return nil, err
	}
	m := shape.Metadata{public: strconv.FormatBool(p.Public)}
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
	visible, signed, err := settings(shape.ProjectRequest{Metadata: shape.Metadata{name: value}})
	if err != nil {
		return nil, err
	}
	return nil, o.change(asked, visible, signed)
}

// repositoryID is the number of the repository that the path names.
func (o operations) repositoryID(ctx context.Context, asked *edge.Ask) (int64, error) {
	return o.DB.Repository(ctx, asked.Repository)
}
