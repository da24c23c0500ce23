package edge

// roles are Harbor's numbers of the roles that both have.
var roles = []struct {
	id           int64
	name, harbor string
}{
	{1, "project-admin", "projectAdmin"},
	{2, "developer", "developer"},
	{3, "guest", "guest"},
	{4, "maintainer", "maintainer"},
	{5, "limited-guest", "limitedGuest"},
}

// RoleID is the number of a role; 0 of one that an administrator of this registry made.
func RoleID(name string) int64 {
	for _, r := range roles {
		if r.name == name {
			return r.id
		}
	}
	return 0
}

// RoleNamed is the role of a number.
func RoleNamed(id int64) (string, error) {
	for _, r := range roles {
		if r.id == id {
			return r.name, nil
		}
	}
	return "", Invalid("body: role_id %d is none of 1 (project admin), 2 (developer), 3 (guest), "+
		"4 (maintainer), 5 (limited guest)", id)
}

// RoleName is Harbor's word for a role.
func RoleName(name string) string {
	for _, r := range roles {
		if r.name == name {
			return r.harbor
		}
	}
	return name
}
