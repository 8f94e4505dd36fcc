# The request's body comes on standard input; what is printed is the answer.
cat
