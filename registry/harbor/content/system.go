package content

import (
	"strings"
	"time"

	"cove/internal/buildinfo"
	"cove/registry/audit"
	"cove/registry/auth"
	"cove/registry/harbor/edge"
	"cove/registry/harbor/listing"
	"cove/registry/harbor/places"
	"cove/registry/harbor/shape"
)

func (o operations) ping(*edge.Ask) (any, error) { return "Pong", nil }

func (o operations) health(asked *edge.Ask) (any, error) {
	const well, ill = "healthy", "unhealthy"
	health := shape.Health{Status: well}
	for _, name := range []string{"core", "registry", "portal", "jobservice"} {
		health.Components = append(health.Components, shape.Component{Name: name, Status: well})
	}
	database := shape.Component{Name: "database", Status: well}
	if o.DB.Ping(asked.Context()) != nil { // which is in the log: anyone may ask here
		database.Status, database.Error, health.Status = ill, "it does not answer", ill
	}
	health.Components = append(health.Components, database)
	return health, nil
}

func (o operations) info(asked *edge.Ask) (any, error) {
	external := o.ExternalURL
	if external == "" {
		scheme := "http://"
		if asked.TLS != nil {
			scheme = "https://"
		}
		external = scheme + asked.Host
	}
	_, host, _ := strings.Cut(external, "://")
	system := shape.System{
		AuthMode: o.AuthMode, RegistryURL: host, ExternalURL: external, ProjectCreation: "adminonly",
		HasCARoot: o.Authority, ReadOnly: o.ReadOnly, NotificationEnable: true,
		BannerMessage:    o.Banner.Harbor(),
		SelfRegistration: o.SelfRegistration,
	}
	if o.Judge.EveryoneCreates {
		system.ProjectCreation = "everyone"
	}
	if asked.Caller.Name != "" { // a version is for those who have an account, as in Harbor
		system.HarborVersion = "v2.12.0-cove-" + buildinfo.Version()
	}
	return system, nil
}

// configurations are the settings that clients read before they change something else. They
// are in the file of the registry and no request changes them.
func (o operations) configurations(*edge.Ask) (any, error) {
	creation := "adminonly"
	if o.Judge.EveryoneCreates {
		creation = "everyone"
	}
	all := map[string]shape.Setting{}
	for name, value := range map[string]any{
		"auth_mode": o.AuthMode, "self_registration": o.SelfRegistration, "read_only": o.ReadOnly,
		"project_creation_restriction": creation, "robot_name_prefix": o.Robots.Beginning(),
		"banner_message": o.Banner.Harbor(), "quota_per_project_enable": true, "notification_enable": true,
	} {
		all[name] = shape.Setting{Value: value}
	}
	return all, nil
}

func (o operations) statistics(asked *edge.Ask) (any, error) {
	projects, repositories, err := o.Lists.Counts(asked.Context(), asked.Caller.Viewer())
	return shape.Statistics{
		PrivateProjects: projects[0], PublicProjects: projects[1], TotalProjects: projects[0] + projects[1],
		PrivateRepositories: repositories[0], PublicRepositories: repositories[1],
		TotalRepositories: repositories[0] + repositories[1],
	}, err
}

// mostFound is how many of each kind a search finds.
const mostFound = 20

func (o operations) search(asked *edge.Ask) (any, error) {
	text := asked.Text()
	if text == "" {
		return nil, edge.Invalid("query: q is what to look for")
	}
	found := shape.Found{Projects: []shape.Project{}, Repositories: []shape.FoundRepository{}}
	page, viewer := listing.Page{N: mostFound}, asked.Caller.Viewer()
	projects, _, err := o.Lists.Projects(asked.Context(), viewer, listing.Projects{Name: text}, page)
	if err != nil {
		return nil, err
	}
	for _, p := range projects {
		found.Projects = append(found.Projects, places.ProjectOf(p))
	}
	repositories, _, err := o.Lists.Repositories(asked.Context(), viewer, "", text, page)
	if err != nil {
		return nil, err
	}
	for _, r := range repositories {
		project, _, _ := strings.Cut(r.Name, "/")
		found.Repositories = append(found.Repositories, shape.FoundRepository{
			Name: r.Name, Project: project, ProjectID: r.ProjectID, Public: r.Public, Artifacts: r.Artifacts,
		})
	}
	return found, nil
}

func (o operations) auditLogs(asked *edge.Ask) (any, error) {
	q, err := o.logQuery(asked)
	if err != nil {
		return nil, err
	}
	q.Object, _ = asked.Filter("resource")
	if err := asked.Understood(); err != nil {
		return nil, err
	}
	return o.lines(asked, q)
}

// logQuery is what q= and sort= say of lines of the log. What was done is its kind and its
// operation, as lines have them: one of them alone is in no index.
func (o operations) logQuery(asked *edge.Ask) (q audit.Query, err error) {
	q.Actor, _ = asked.Filter("username")
	kind, _ := asked.Filter("resource_type")
	q.Action, _ = asked.Filter("operation")
	whole := strings.Contains(q.Action, ".")
	switch {
	case kind != "" && q.Action != "" && !whole:
		q.Action = kind + "." + q.Action
	case kind != "", q.Action != "" && !whole && q.Action != "sign-in":
		return q, edge.Unsupported(
			"one of operation and resource_type: give both, as operation=create,resource_type=project")
	}
	asked.Newest("op_time")
	if q.Since, q.Until, err = asked.Span("op_time"); err == nil && !q.Until.IsZero() {
		q.Until = q.Until.Add(time.Second) // the span ends with it
	}
	return q, err
}

// lines is a page of the log. It is read by the place of a line and not by counting those
// before it, so a page that is far on costs those before it once.
func (o operations) lines(asked *edge.Ask, q audit.Query) (any, error) {
	if q.N = asked.Page.Skip + asked.Page.N; q.N > edge.Farthest {
		return nil, edge.TooFar()
	}
	events, more, err := o.Audit.Page(asked.Context(), asked.Caller, q)
	if err != nil {
		return nil, err
	}
	asked.More(len(events), more)
	lines := []shape.Line{}
	for _, e := range events[min(asked.Page.Skip, len(events)):] {
		kind, operation, _ := strings.Cut(e.Action, ".")
		lines = append(lines, shape.Line{
			ID: e.ID, Username: e.Actor, Resource: e.Object, ResourceType: kind, Operation: operation, At: e.At.UTC(),
		})
	}
	return lines, nil
}

// projectLogs are the lines about a project: those of its whole content are for who may
// read the log of the registry.
func (o operations) projectLogs(asked *edge.Ask) (any, error) {
	q, err := o.logQuery(asked)
	if err == nil {
		err = asked.Understood()
	}
	if err != nil {
		return nil, err
	}
	q.Object = asked.Project
	shown := *asked
	shown.Caller = auth.Operator() // the right was asked for the project, and the lines are its own
	return o.lines(&shown, q)
}
