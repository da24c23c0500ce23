package ids

// ValidName reports whether name follows docker's grammar for containers and
// volumes, [a-zA-Z0-9][a-zA-Z0-9_.-]{1,127}, which also makes it a safe path
// component. (As a regular expression it would cost every start half a
// millisecond, to be compiled.)
func ValidName(name string) bool {
	if len(name) < 2 || len(name) > 128 || !alphanumeric(name[0]) {
		return false
	}
	for i := 1; i < len(name); i++ {
		if c := name[i]; !alphanumeric(c) && c != '_' && c != '.' && c != '-' {
			return false
		}
	}
	return true
}

func alphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
