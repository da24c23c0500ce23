package people

import (
	"cmp"
	"strconv"
	"strings"

	"cove/errdefs"
	"cove/registry/auth/rights"
	"cove/registry/harbor/edge"
	"cove/registry/harbor/shape"
	"cove/registry/metadata/people"
	"cove/registry/projects"
)

// all is every member of the project of the path, by name. Harbor knows members of whole projects
// alone: one whose role is in some repositories is no member to it.
func (o operations) all(asked *edge.Ask) (members []people.Membership, err error) {
	const most = 1 << 20
	p, err := o.DB.Project(asked.Context(), asked.Project)
	if err != nil {
		return nil, err
	}
	found, err := o.DB.Members(asked.Context(), p.ID, "", most)
	for _, m := range found {
		if m.Repositories == rights.Everywhere {
			members = append(members, m)
		}
	}
	return members, err
}

// entity is the number of the user or group.
func entity(m people.Membership) int64 { return cmp.Or(m.UserID, m.GroupID) }

func memberOf(m people.Membership, project int64) shape.Member {
	shown := shape.Member{
		ID: entity(m), ProjectID: project, EntityID: entity(m), EntityName: m.Name, EntityType: "u",
		Role: edge.RoleID(m.Role), RoleName: edge.RoleName(m.Role),
	}
	if m.GroupID != 0 {
		shown.EntityType = "g"
	}
	return shown
}

func (o operations) memberList(asked *edge.Ask) (any, error) {
	name := strings.ToLower(asked.URL.Query().Get("entityname"))
	id, err := o.ProjectID(asked)
	if err != nil {
		return nil, err
	}
	members, err := o.all(asked)
	if err != nil {
		return nil, err
	}
	found := []shape.Member{}
	for _, m := range members {
		if strings.Contains(m.Name, name) {
			found = append(found, memberOf(m, id))
		}
	}
	err = edge.Order(asked, found, map[string]func(a, b shape.Member) int{
		"id":          func(a, b shape.Member) int { return cmp.Compare(a.ID, b.ID) },
		"entity_name": func(a, b shape.Member) int { return cmp.Compare(a.EntityName, b.EntityName) },
		"role_id":     func(a, b shape.Member) int { return cmp.Compare(a.Role, b.Role) },
	})
	if err != nil {
		return nil, err
	}
	return edge.Part(asked, found), nil
}

// member is the one that the path gives the number of.
func (o operations) member(asked *edge.Ask) (people.Membership, error) {
	id, err := edge.Number("member", asked.PathValue("member"))
	if err != nil {
		return people.Membership{}, err
	}
	members, err := o.all(asked)
	if err != nil {
		return people.Membership{}, err
	}
	for _, m := range members {
		if entity(m) == id {
			return m, nil
		}
	}
	return people.Membership{}, errdefs.Errorf(errdefs.ErrNotFound, "member %d does not exist in project %q", id,
		asked.Project)
}

func (o operations) memberGet(asked *edge.Ask) (any, error) {
	m, err := o.member(asked)
	if err != nil {
		return nil, err
	}
	project, err := o.ProjectID(asked)
	return memberOf(m, project), err
}

func (o operations) memberCreate(asked *edge.Ask) (any, error) {
	var r shape.MemberRequest
	if err := asked.Read(&r); err != nil {
		return nil, err
	}
	role, err := edge.RoleNamed(r.Role)
	if err != nil {
		return nil, err
	}
	member, err := o.named(asked, r)
	if err != nil {
		return nil, err
	}
	member.Role = role
	members, err := o.all(asked)
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		if m.Name == cmp.Or(member.User, member.Group) && (m.GroupID != 0) == (member.Group != "") {
			return nil, errdefs.Errorf(errdefs.ErrConflict, "%s is a member of project %q already", m.Name,
				asked.Project)
		}
	}
	if err := o.Projects.SetMember(asked.Context(), asked.Caller, asked.Project, member); err != nil {
		return nil, err
	}
	if members, err = o.all(asked); err != nil {
		return nil, err
	}
	for _, m := range members {
		if m.Name == cmp.Or(member.User, member.Group) && (m.GroupID != 0) == (member.Group != "") {
			asked.Created("/projects/" + asked.PathValue("project") + "/members/" + strconv.FormatInt(entity(m), 10))
		}
	}
	return nil, nil
}

// named is the user or group that a request names, by name or number.
func (o operations) named(asked *edge.Ask, r shape.MemberRequest) (m projects.Member, err error) {
	if r.User != nil && *r.User == (shape.MemberUser{}) { // as clients send what they do not mean
		r.User = nil
	}
	if r.Group != nil && *r.Group == (shape.MemberGroup{}) {
		r.Group = nil
	}
	switch {
	case r.User != nil && r.Group == nil:
		if m.User = r.User.Name; m.User == "" {
			m.User, err = o.Lists.AccountByID(asked.Context(), people.KindUser, r.User.ID)
		}
	case r.Group != nil && r.User == nil && r.Group.DN != "":
		return m, edge.Unsupported("a group by ldap_group_dn: name it by group_name, as it is called here")
	case r.Group != nil && r.User == nil:
		if m.Group = r.Group.Name; m.Group == "" {
			m.Group, err = o.Lists.GroupByID(asked.Context(), r.Group.ID)
		}
	default:
		return m, edge.Invalid("body: one of member_user and member_group is needed")
	}
	return m, err
}

func (o operations) memberChange(asked *edge.Ask) (any, error) {
	var r shape.MemberRequest
	if err := asked.Read(&r); err != nil {
		return nil, err
	}
	role, err := edge.RoleNamed(r.Role)
	if err != nil {
		return nil, err
	}
	return nil, o.memberSet(asked, role)
}

func (o operations) memberDelete(asked *edge.Ask) (any, error) {
	return nil, o.memberSet(asked, projects.NoRole)
}

func (o operations) memberSet(asked *edge.Ask, role string) error {
	m, err := o.member(asked)
	if err != nil {
		return err
	}
	to := projects.Member{User: m.Name, Role: role, Repositories: rights.Everywhere}
	if m.GroupID != 0 {
		to.User, to.Group = "", m.Name
	}
	return o.Projects.SetMember(asked.Context(), asked.Caller, asked.Project, to)
}
