"""Pictures and sounds of products: from delivered files to arrays, and to one vector for each content."""
