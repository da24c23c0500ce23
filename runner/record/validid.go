package record

// ValidID reports whether id is a full ID, 64 hex digits; other entries of
// containers/ are not containers.
func ValidID(id string) bool {
	for i := range len(id) {
		if c := id[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return len(id) == 64
}
