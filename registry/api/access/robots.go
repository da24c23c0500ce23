package access

import (
	"time"

	"cove/registry/api/rest"
	"cove/registry/auth"
	"cove/registry/robots"
)

// Robot is an account of a program.
type Robot struct {
	Name         string     `json:"name"`              // to sign in with, as robot$team+ci
	Project      string     `json:"project,omitempty"` // none: the registry's
	Description  string     `json:"description,omitempty"`
	Rights       []string   `json:"rights"`
	Repositories []string   `json:"repositories"` // globs, of names within the project or of full names
	Disabled     bool       `json:"disabled"`
	CreatedAt    time.Time  `json:"createdAt"`
	ExpiresAt    *time.Time `json:"expiresAt,omitempty"`
	UsedAt       *time.Time `json:"usedAt,omitempty"`
}

// Settled implements [rest.Settler].
func (r Robot) Settled() any {
	r.UsedAt = nil
	return r
}

// RobotOf is a robot as it is told.
func RobotOf(r robots.Robot) Robot {
	return Robot{
		r.Called(), r.Project, r.Description,
		append([]string{}, r.Rights()...), append([]string{}, r.Repositories()...),
		r.Disabled, r.CreatedAt.UTC(), rest.Moment(r.ExpiresAt), rest.Moment(r.UsedAt),
	}
}

// NewRobot is a robot to be made.
type NewRobot struct {
	Name         string     `json:"name"` // without robot$ and project
	Description  string     `json:"description,omitempty"`
	Rights       []string   `json:"rights"`                 // as pull, push, delete, or a right
	Repositories []string   `json:"repositories,omitempty"` // globs; all if they are left out
	ExpiresAt    *time.Time `json:"expiresAt,omitempty"`
}

// RobotSecret is a robot with the secret that is shown once.
type RobotSecret struct {
	Robot  Robot  `json:"robot"`
	Secret string `json:"secret"`
}

// Secret is what is shown once.
type Secret struct {
	Secret string `json:"secret"`
}

// RobotChange is what of a robot is to be changed; what is left out stays.
type RobotChange struct {
	Disabled    *bool      `json:"disabled,omitempty"`
	Description *string    `json:"description,omitempty"`
	ExpiresAt   *time.Time `json:"expiresAt,omitempty"`
	Forever     *bool      `json:"forever,omitempty"` // it does not expire
}

// robots are the operations on robots of a project, and the same on those of the
// registry.
func (s Services) robots() []rest.Operation {
	return append(s.robotsOf("/projects/{project}/robots", "project", "Robot", [4]auth.Right{
		auth.ListRobots, auth.CreateRobots, auth.ChangeRobots, auth.RemoveRobots,
	}), s.robotsOf("/robots", "users", "SystemRobot", [4]auth.Right{
		auth.ManageUsers, auth.ManageUsers, auth.ManageUsers, auth.ManageUsers,
	})...)
}

func (s Services) robotsOf(path, object, noun string, takes [4]auth.Right) []rest.Operation {
	one := path + "/{robot}"
	return []rest.Operation{
		{
			Method: get, Path: path, Right: takes[0], Object: object,
			ID: "list" + noun + "s", Summary: "List the robots by name",
			Query:  rest.PageOf(),
			Answer: rest.Page[Robot]{},
			Status: 200, Serve: s.robotList,
		},
		{
			Method: post, Path: path, Right: takes[1], Object: object,
			ID: "create" + noun, Summary: "Make a robot; the answer has its secret, which is not shown again",
			Body: NewRobot{}, Answer: RobotSecret{},
			Status: 201, Serve: s.robotCreate,
		},
		{
			Method: get, Path: one, Right: takes[0], Object: object,
			ID: "get" + noun, Summary: "One robot",
			Answer: Robot{},
			Status: 200, ETag: true, Serve: s.robotGet,
		},
		{
			Method: patch, Path: one, Right: takes[2], Object: object,
			ID: "change" + noun, Summary: "Disable or enable a robot, or change when it ends",
			Body: RobotChange{}, Answer: Robot{},
			Status: 200, ETag: true, Serve: s.robotChange,
		},
		{
			Method: post, Path: one + "/secret", Right: takes[2], Object: object,
			ID: "rotate" + noun, Summary: "Give a robot another secret; the one before ends within a second",
			Answer: Secret{},
			Status: 200, Serve: s.robotRotate,
		},
		{
			Method: remove, Path: one, Right: takes[3], Object: object,
			ID: "delete" + noun, Summary: "Remove a robot",
			Status: 204, Serve: func(asked *rest.Ask) (any, error) {
				return nil, s.Robots.Remove(asked.Context(), asked.Caller, fullName(asked))
			},
		},
	}
}

// fullName is the name of the robot that the path names without project and prefix.
func fullName(asked *rest.Ask) string {
	return robots.FullName(asked.PathValue("project"), asked.PathValue("robot"))
}

func (s Services) robotList(asked *rest.Ask) (any, error) {
	found, more, err := s.Robots.List(asked.Context(), asked.Caller, robots.Query{
		Project: asked.PathValue("project"), Last: asked.Query.Get("after"), N: asked.Limit,
	})
	if err != nil {
		return nil, err
	}
	var items []Robot
	for _, r := range found {
		items = append(items, RobotOf(r))
	}
	return rest.PageTo(asked, items, rest.Next(more, items, func(r Robot) string { return r.Name })), nil
}

func (s Services) robotCreate(asked *rest.Ask) (any, error) {
	var n NewRobot
	if err := asked.Read(&n); err != nil {
		return nil, err
	}
	spec := robots.Spec{
		Project: asked.PathValue("project"), Name: n.Name, Description: n.Description,
		Rights: n.Rights, Repositories: n.Repositories,
	}
	if n.ExpiresAt != nil {
		spec.ExpiresAt = *n.ExpiresAt
	}
	made, secret, err := s.Robots.Create(asked.Context(), asked.Caller, spec)
	return RobotSecret{RobotOf(made), secret}, err
}

func (s Services) robotGet(asked *rest.Ask) (any, error) {
	r, err := s.Robots.Find(asked.Context(), asked.Caller, fullName(asked))
	return RobotOf(r), err
}

func (s Services) robotChange(asked *rest.Ask) (any, error) {
	var c RobotChange
	if err := asked.Read(&c); err != nil {
		return nil, err
	}
	change := robots.Change{
		Disabled: c.Disabled, Description: c.Description, ExpiresAt: c.ExpiresAt,
		If: func(now robots.Robot) error { return asked.Unchanged(RobotOf(now)) },
	}
	if c.Forever != nil && *c.Forever {
		change.ExpiresAt = &time.Time{}
	}
	if err := s.Robots.Change(asked.Context(), asked.Caller, fullName(asked), change); err != nil {
		return nil, err
	}
	return s.robotGet(asked)
}

func (s Services) robotRotate(asked *rest.Ask) (any, error) {
	secret, err := s.Robots.Rotate(asked.Context(), asked.Caller, fullName(asked))
	return Secret{secret}, err
}
