package people

import (
	"strconv"
	"strings"

	"cove/registry/harbor/edge"
	"cove/registry/harbor/listing"
	"cove/registry/harbor/shape"
)

// Harbor's numbers of where a group comes from. Here a group of a provider and one that was
// made by hand are the same if they have the same name; so all have one number, that of how
// people sign in.
const (
	ofLDAP = 1
	ofHTTP = 2
	ofOIDC = 3
)

func (o operations) groupType() int64 {
	switch o.AuthMode {
	case "ldap_auth":
		return ofLDAP
	case "oidc_auth":
		return ofOIDC
	}
	return ofHTTP
}

func (o operations) groupOf(g listing.Group) shape.Group {
	return shape.Group{ID: g.ID, Name: g.Name, Type: o.groupType()}
}

// groups lists groups; group_name is a part of their names.
func (o operations) groups(asked *edge.Ask) (any, error) {
	query := asked.URL.Query()
	if query.Get("ldap_group_dn") != "" {
		return nil, edge.Unsupported("ldap_group_dn: groups have names here, see group_name")
	}
	return o.groupList(asked, query.Get("group_name"))
}

// groupSearch lists groups by a part of their names, for who chooses one.
func (o operations) groupSearch(asked *edge.Ask) (any, error) {
	name := asked.URL.Query().Get("groupname")
	if name == "" {
		return nil, edge.Invalid("query: groupname is needed")
	}
	return o.groupList(asked, name)
}

func (o operations) groupList(asked *edge.Ask, match string) (any, error) {
	list, total, err := o.Lists.Groups(asked.Context(), match, asked.List())
	if err != nil {
		return nil, err
	}
	asked.Paged(total)
	items := []shape.Group{}
	for _, g := range list {
		items = append(items, o.groupOf(g))
	}
	return items, nil
}

func (o operations) groupCreate(asked *edge.Ask) (any, error) {
	var g shape.Group
	if err := asked.Read(&g); err != nil {
		return nil, err
	}
	if g.DN != "" {
		return nil, edge.Unsupported("a group by ldap_group_dn: name it by group_name, as the directory's groups are mapped")
	}
	if is := o.groupType(); g.Type != 0 && g.Type != is {
		return nil, edge.Invalid("body: group_type %d: where people sign in as here (%s) it is %d", g.Type,
			strings.TrimSuffix(o.AuthMode, "_auth"), is)
	}
	if err := o.Accounts.AddGroup(asked.Context(), asked.Caller, g.Name); err != nil {
		return nil, err
	}
	made, err := o.Accounts.Group(asked.Context(), asked.Caller, g.Name)
	if err != nil {
		return nil, err
	}
	asked.Created("/usergroups/" + strconv.FormatInt(made.ID, 10))
	return nil, nil
}

// groupNamed is the name of the group that the path gives the number of.
func (o operations) groupNamed(asked *edge.Ask) (listing.Group, error) {
	id, err := edge.Number("group", asked.PathValue("group"))
	if err != nil {
		return listing.Group{}, err
	}
	name, err := o.Lists.GroupByID(asked.Context(), id)
	return listing.Group{ID: id, Name: name}, err
}

func (o operations) group(asked *edge.Ask) (any, error) {
	g, err := o.groupNamed(asked)
	if err != nil {
		return nil, err
	}
	return o.groupOf(g), nil
}

// groupChange takes what changes nothing, as clients send who write back what they read. A
// group keeps its name, by which providers know it.
func (o operations) groupChange(asked *edge.Ask) (any, error) {
	var to shape.Group
	if err := asked.Read(&to); err != nil {
		return nil, err
	}
	g, err := o.groupNamed(asked)
	if err != nil {
		return nil, err
	}
	if to.Name != "" && to.Name != g.Name {
		return nil, edge.Unsupported("another group_name: a group keeps its name; make another one")
	}
	return nil, nil
}

func (o operations) groupDelete(asked *edge.Ask) (any, error) {
	g, err := o.groupNamed(asked)
	if err != nil {
		return nil, err
	}
	return nil, o.Accounts.RemoveGroup(asked.Context(), asked.Caller, g.Name)
}
