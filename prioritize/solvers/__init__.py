"""Program -> Solution."""
