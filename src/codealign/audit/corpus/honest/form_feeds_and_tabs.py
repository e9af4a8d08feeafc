# task: add
# unusual: indented by tabs, with form feeds, trailing blanks, backslashes and semicolons

import os; import sys  

def add(a, b):	
	if a \
		== b:
		return 2 * a;   

	else:
	        return (a +
  b)	 

