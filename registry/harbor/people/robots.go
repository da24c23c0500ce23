package people

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"cove/errdefs"
	"cove/registry/auth"
	"cove/registry/auth/rights"
	"cove/registry/harbor/edge"
	"cove/registry/harbor/shape"
	"cove/registry/metadata/people"
	"cove/registry/robots"
)

const (
	ofSystem  = "system"
	ofProject = "project"
	never     = -1
	allow     = "allow" // the one effect of a right
)

func robotOf(r robots.Robot) shape.Robot {
	shown := shape.Robot{
		ID: r.ID, Name: r.Called(), Description: r.Description, Level: ofSystem, Editable: true, Disable: r.Disabled,
		Created: r.CreatedAt.UTC(), Updated: r.CreatedAt.UTC(), Duration: never, Expires: never,
		Permissions: permissionsOf(r),
	}
	if r.Project != "" {
		shown.Level = ofProject
	}
	if !r.ExpiresAt.IsZero() {
		shown.Expires = r.ExpiresAt.Unix()
		shown.Duration = int64(r.ExpiresAt.Sub(r.CreatedAt).Round(24*time.Hour) / (24 * time.Hour))
	}
	return shown
}

// permissionsOf are a robot's rights as Harbor has them. Where it has them in some
// repositories alone, which Harbor cannot say, the namespace is the glob.
func permissionsOf(r robots.Robot) (all []shape.Permission) {
	for _, g := range r.Grants {
		p := shape.Permission{Kind: ofProject, Namespace: r.Project}
		switch {
		case g.Repositories != rights.Everywhere && r.Project != "":
			p.Namespace += "/" + g.Repositories
		case g.Repositories != rights.Everywhere:
			p.Namespace = strings.TrimSuffix(g.Repositories, "/*")
		case r.Project == "":
			p.Namespace = rights.Everywhere
		}
		for _, right := range slices.Sorted(maps.Keys(auth.RightsOf(g.Grant))) {
			resource, action, _ := strings.Cut(string(right), ":")
			p.Access = append(p.Access, shape.Access{Resource: resource, Action: action, Effect: allow})
		}
		all = append(all, p)
	}
	return all
}

// specOf is the robot that a request describes. This registry gives a robot one set of
// rights, in as many projects as it likes: rights that differ between projects are two
// robots here.
func specOf(r shape.RobotRequest, now time.Time) (spec robots.Spec, err error) {
	if r.Secret != "" {
		return spec, edge.Unsupported("a secret of the sender's choice: it is made up here and shown once")
	}
	if len(r.Permissions) == 0 {
		return spec, edge.Invalid("body: permissions say what the robot may")
	}
	spec = robots.Spec{Name: r.Name, Description: r.Description}
	for i, p := range r.Permissions {
		list, err := accessOf(p)
		if err != nil {
			return spec, err
		}
		if i > 0 && !slices.Equal(list, spec.Rights) {
			return spec, edge.Unsupported("a robot whose rights differ between %s and %s: make two",
				r.Permissions[0].Namespace, p.Namespace)
		}
		spec.Rights = list
		switch {
		case p.Kind == ofSystem && r.Level == ofSystem:
			return spec, edge.Unsupported("a robot with rights towards the system: give them to a user")
		case p.Kind != ofProject:
			return spec, edge.Invalid("body: the kind %q of a permission is not project", p.Kind)
		case r.Level == ofProject && len(r.Permissions) != 1:
			return spec, edge.Invalid("body: a robot of a project has permissions in that alone")
		case r.Level == ofProject:
			spec.Project = p.Namespace
		case r.Level != ofSystem:
			return spec, edge.Invalid("body: the level %q is neither system nor project", r.Level)
		case p.Namespace == rights.Everywhere:
			spec.Repositories = append(spec.Repositories, rights.Everywhere)
		default:
			spec.Repositories = append(spec.Repositories, p.Namespace+"/*")
		}
	}
	switch {
	case r.Duration > 0:
		spec.ExpiresAt = now.Add(time.Duration(r.Duration) * 24 * time.Hour)
	case r.Duration != never:
		return spec, edge.Invalid("body: duration is a number of days, or -1 for ever")
	}
	return spec, nil
}

// accessOf are the rights of a permission. The one that Harbor calls artifact:read and the
// like are this registry's too, by the same names.
func accessOf(p shape.Permission) (list []string, err error) {
	for _, a := range p.Access {
		right := rights.Right(a.Resource + ":" + a.Action)
		switch {
		case a.Effect != "" && a.Effect != allow:
			return nil, edge.Unsupported("the effect %q of a permission", a.Effect)
		case !rights.Known(right):
			return nil, edge.Unsupported("the right %s of a robot", right)
		}
		list = append(list, string(right))
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// robotList lists the robots of the registry, or by q= those of a project.
func (o operations) robotList(asked *edge.Ask) (any, error) {
	level, _ := asked.Filter("level")
	project, _ := asked.Filter("projectid")
	if project == "" && level == ofProject {
		return nil, edge.Invalid("query: q=Level=project needs ProjectID=NUMBER too")
	}
	if project == "" {
		if !o.May(asked, auth.ManageUsers) { // there is none that the caller may see
			asked.Paged(0)
			return []shape.Robot{}, nil
		}
		return o.robotsOf(asked, "")
	}
	id, err := edge.Number("project", project)
	if err != nil {
		return nil, err
	}
	project, err = o.Lists.ProjectByID(asked.Context(), id)
	if err != nil {
		return nil, err
	}
	return o.robotsOf(asked, project)
}

func (o operations) robotsOfProject(asked *edge.Ask) (any, error) {
	return o.robotsOf(asked, asked.Project)
}

func (o operations) robotsOf(asked *edge.Ask, project string) (any, error) {
	name, fuzzy := asked.Filter("name")
	found := []shape.Robot{}
	for last, more := "", true; more; {
		var page []robots.Robot
		var err error
		page, more, err = o.Robots.List(asked.Context(), asked.Caller, robots.Query{
			Project: project, Last: last, N: edge.MaxPage,
		})
		if err != nil {
			return nil, err
		}
		for _, r := range page {
			last = r.Name
			if name == "" || r.Called() == name || named(r.Name, name) || fuzzy && strings.Contains(r.Called(), name) {
				found = append(found, robotOf(r))
			}
		}
	}
	err := edge.Order(asked, found, map[string]func(a, b shape.Robot) int{
		"id":            func(a, b shape.Robot) int { return cmp.Compare(a.ID, b.ID) },
		"name":          func(a, b shape.Robot) int { return cmp.Compare(a.Name, b.Name) },
		"creation_time": func(a, b shape.Robot) int { return a.Created.Compare(b.Created) },
		"update_time":   func(a, b shape.Robot) int { return a.Updated.Compare(b.Updated) },
		"expires_at":    func(a, b shape.Robot) int { return cmp.Compare(a.Expires, b.Expires) },
	})
	if err != nil {
		return nil, err
	}
	return edge.Part(asked, found), nil
}

// named says whether a robot is called so, with what its names begin with or without.
func named(robot, name string) bool {
	return robot == name || strings.HasSuffix(robot, "$"+name) || strings.HasSuffix(robot, "+"+name)
}

func (o operations) robotCreate(asked *edge.Ask) (any, error) {
	var r shape.RobotRequest
	if err := asked.Read(&r); err != nil {
		return nil, err
	}
	spec, err := specOf(r, o.DB.Now())
	if err != nil {
		return nil, err
	}
	made, secret, err := o.Robots.Create(asked.Context(), asked.Caller, spec)
	if err != nil {
		return nil, err
	}
	if r.Disable {
		off := robots.Change{Disabled: &r.Disable}
		if err := o.Robots.Change(asked.Context(), asked.Caller, made.Name, off); err != nil {
			return nil, err
		}
	}
	asked.Created("/robots/" + strconv.FormatInt(made.ID, 10))
	shown := robotOf(made)
	return shape.RobotMade{
		ID: made.ID, Name: made.Called(), Secret: secret, Created: o.DB.Now().UTC(), Expires: shown.Expires,
	}, nil
}

// robot is the one that the path gives the number of, for who may see it.
func (o operations) robot(asked *edge.Ask) (robots.Robot, error) {
	id, err := edge.Number("robot", asked.PathValue("robot"))
	if err != nil {
		return robots.Robot{}, err
	}
	name, err := o.Lists.AccountByID(asked.Context(), people.KindRobot, id)
	if err != nil {
		return robots.Robot{}, err
	}
	r, err := o.Robots.Find(asked.Context(), asked.Caller, name)
	if errdefs.KindOf(err) == errdefs.ErrDenied { //nolint:errorlint // a kind is a value
		// Whether there is such a robot is not for everyone to know.
		return r, errdefs.Errorf(errdefs.ErrNotFound, "robot %d does not exist", id)
	}
	return r, err
}

func (o operations) robotGet(asked *edge.Ask) (any, error) {
	r, err := o.robot(asked)
	return robotOf(r), err
}

// robotChange has a robot be as the request says. It keeps its name, its level and its
// project.
func (o operations) robotChange(asked *edge.Ask) (any, error) {
	var r shape.RobotRequest
	if err := asked.Read(&r); err != nil {
		return nil, err
	}
	have, err := o.robot(asked)
	if err != nil {
		return nil, err
	}
	if r.Name != "" && r.Name != have.Called() && !named(have.Name, r.Name) {
		return nil, edge.Unsupported("another name for a robot that there is: make another")
	}
	r.Name, r.Secret = have.Short(), ""
	want, err := specOf(r, have.CreatedAt)
	if err != nil {
		return nil, err
	}
	if want.Project != have.Project {
		return nil, edge.Unsupported("another level or project for a robot that there is: make another")
	}
	set, err := want.Check("robot")
	if err != nil {
		return nil, err
	}
	change := robots.Change{Disabled: &r.Disable, Description: &r.Description, ExpiresAt: &want.ExpiresAt}
	if !sameGrants(have, set, want.Repositories) {
		change.Grant = &robots.Grant{Rights: set, Repositories: want.Repositories}
	}
	return nil, o.Robots.Change(asked.Context(), asked.Caller, have.Name, change)
}

// sameGrants says whether a robot may just this already: whoever changes something else of
// it need not hold all that it may.
func sameGrants(have robots.Robot, set rights.Set, globs []string) bool {
	of := func(list []string) []string { return slices.Sorted(slices.Values(list)) }
	return slices.Equal(have.Rights(), strings.Fields(set.String())) && slices.Equal(of(have.Repositories()), of(globs))
}

// robotSecret gives a robot another secret: the one that is sent, or one that is made up.
func (o operations) robotSecret(asked *edge.Ask) (any, error) {
	var s shape.Secret
	if err := asked.Read(&s); err != nil {
		return nil, err
	}
	r, err := o.robot(asked)
	if err != nil {
		return nil, err
	}
	if s.Secret != "" {
		return shape.Secret{Secret: s.Secret}, o.Robots.Choose(asked.Context(), asked.Caller, r.Name, s.Secret)
	}
	secret, err := o.Robots.Rotate(asked.Context(), asked.Caller, r.Name)
	return shape.Secret{Secret: secret}, err
}

func (o operations) robotDelete(asked *edge.Ask) (any, error) {
	r, err := o.robot(asked)
	if err != nil {
		return nil, err
	}
	return nil, o.Robots.Remove(asked.Context(), asked.Caller, r.Name)
}
