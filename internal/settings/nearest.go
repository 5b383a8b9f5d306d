package settings

// Nearest returns the name that was probably meant by typed, or "" when none is near.
func Nearest(typed string, names []string) string {
	best, near := len(typed)/3+2, ""
	for _, name := range names {
		if d := distance(typed, name); d < best {
			best, near = d, name
		}
	}
	return near
}

// distance counts the letters to insert, delete or replace to turn a into b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
