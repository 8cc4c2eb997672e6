"""What is read out of text: reviews, searches and questions, in English and Chinese."""
